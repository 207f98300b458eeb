//! Questions to the person in front of the program, before any interface is there: who to be, a
//! password, yes or no.

use std::io::{self, BufRead, IsTerminal, Write};

use zeroize::Zeroizing;

use crate::client::session::Login;
use crate::client::trust::Server;
use crate::proto::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use crate::proto::secret::Secret;

/// Somebody who can be asked.
pub trait Person {
    /// Shows the text; whether the user says yes.
    fn confirms(&mut self, text: &str) -> io::Result<bool>;

    /// Asks how to log in, with or without an account; `None` if not at all.
    fn login(&mut self, server: &Server, user: &str) -> io::Result<Option<Login>>;

    /// Asks for a line without showing what is typed; `None` if the user wants to be asked no more
    /// (Ctrl-D).
    fn hidden(&mut self, question: &str) -> io::Result<Option<Zeroizing<String>>>;

    /// Asks for a secret without showing it; `None` if the user gives none.
    fn secret(&mut self, question: &str) -> io::Result<Option<Secret>> {
        let typed = self.hidden(question)?.filter(|typed| !typed.is_empty());
        Ok(typed.map(|typed| Secret::new(typed.as_str())))
    }

    /// Shows a text.
    fn tell(&mut self, text: &str) -> io::Result<()>;
}

/// A person at the terminal that this process runs in.
pub struct Terminal;

impl Terminal {
    /// The terminal, if there is one to ask and answer at.
    pub fn open() -> Option<Terminal> {
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then_some(Terminal)
    }

    fn line(&mut self, question: &str) -> io::Result<String> {
        eprint!("{question}");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(answer.trim().to_lowercase())
    }

    /// A password for a new account, typed twice; `None` if the user gives none.
    pub fn new_password(&mut self, user: &str) -> io::Result<Option<Secret>> {
        let question =
            format!("new password of {user} ({PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} characters): ");
        loop {
            let Some(password) = self.secret(&question)? else { return Ok(None) };
            if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.reveal().len()) {
                continue;
            }
            if self.secret("once more: ")? == Some(password.clone()) {
                return Ok(Some(password));
            }
            eprintln!("these were not the same");
        }
    }
}

impl Person for Terminal {
    fn login(&mut self, server: &Server, user: &str) -> io::Result<Option<Login>> {
        eprintln!("{user} has not been on {server} from here before.");
        loop {
            let answer = self.line("[l]og in, [r]egister a new account, or come in as a [g]uest? ")?;
            match answer.as_str() {
                "l" | "log in" | "login" => {
                    return Ok(self.secret(&format!("password of {user}: "))?.map(Login::Password));
                }
                "r" | "register" => {
                    let Some(password) = self.new_password(user)? else { return Ok(None) };
                    let invite = self.secret("registration code, if the server asks for one: ")?;
                    return Ok(Some(Login::Register { password, invite }));
                }
                "g" | "guest" => return Ok(Some(Login::Guest)),
                "" => return Ok(None),
                _ => {}
            }
        }
    }

    fn confirms(&mut self, text: &str) -> io::Result<bool> {
        Ok(matches!(self.line(text)?.as_str(), "y" | "yes"))
    }

    fn hidden(&mut self, question: &str) -> io::Result<Option<Zeroizing<String>>> {
        match rpassword::prompt_password(question) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            typed => typed.map(|typed| Some(Zeroizing::new(typed))),
        }
    }

    fn tell(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "{text}")
    }
}
