//! Asking for a password: from a file, from the terminal without showing it, or from a pipe. Never from
//! the command line, where everybody on the machine can read it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::proto::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use crate::proto::name::UserName;
use crate::proto::secret::Secret;
use crate::server::command::CommandError;

/// A new password for this user, of a length that can be used.
pub(super) fn new_password(user: &UserName, file: Option<&Path>) -> Result<Secret, CommandError> {
    let password = match file {
        Some(path) => {
            let failed = |error: io::Error| CommandError::Usage(format!("{}: {error}", path.display()));
            first_line(File::open(path).map_err(failed)?).map_err(failed)?
        }
        None if io::stdin().is_terminal() => ask_twice(user)?,
        None => first_line(io::stdin().lock())
            .map_err(|error| CommandError::Failed(format!("standard input: {error}")))?,
    };
    checked(password)
}

fn ask_twice(user: &UserName) -> Result<Secret, CommandError> {
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map(Secret::new)
            .map_err(|error| CommandError::Failed(format!("the password cannot be asked for: {error}")))
    };
    let password = ask(format!("Password for {user}: "))?;
    if password != ask(String::from("The same again: "))? {
        return Err(CommandError::Usage(String::from("the two passwords differ; nothing was changed")));
    }
    Ok(password)
}

/// The first line, without its end; the rest is left alone.
pub(super) fn first_line(from: impl Read) -> io::Result<Secret> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX as usize));
    BufReader::new(from.take(LINE_BYTES_MAX)).read_until(b'\n', &mut line)?;
    let text = std::str::from_utf8(&line)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the password is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text)))
}

pub(super) fn checked(password: Secret) -> Result<Secret, CommandError> {
    let bytes = password.reveal().len();
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&bytes) {
        return Ok(password);
    }
    Err(CommandError::Usage(format!(
        "a password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes, this one has {}",
        if bytes > PASSWORD_BYTES_MAX { String::from("more") } else { bytes.to_string() }
    )))
}

/// More than a password may have, so that one that is too long is noticed rather than cut.
const LINE_BYTES_MAX: u64 = 256;

const _: () = assert!(LINE_BYTES_MAX as usize > PASSWORD_BYTES_MAX + 2);
