//! From a link that was just opened to a name that is accepted, asking the user what must be asked:
//! whether an unknown server is the right one, and the password when it was wrong. What comes before
//! any interface, plain or full-screen, is the same.

use std::io;

use crate::client::link::Link;
use crate::client::person::Person;
use crate::client::plain::Ending;
use crate::client::session::event::{Event, Lost};
use crate::client::session::{Login, State};
use crate::client::trust::Verdict;
use crate::client::wire::Refused;
use crate::proto::refusal::Code;

/// Connects and logs in. The events are those that the interface has to show first, in their order.
/// Without a person there are no questions: what would be asked is a failure.
pub fn arrive(
    link: &mut Link,
    mut person: Option<&mut (dyn Person + '_)>,
) -> io::Result<Result<Vec<Event>, Ending>> {
    let mut early = Vec::new();
    let mut tries = PASSWORD_TRIES;
    loop {
        for event in link.poll(None)? {
            match &event {
                Event::Lost(Lost::Untrusted) => {}
                Event::Lost(why) => return Ok(Err(Ending::Failed(why.to_string()))),
                Event::Stopped(_) => {
                    if let Some(ending) = confirm(link, person.as_deref_mut())? {
                        return Ok(Err(ending));
                    }
                }
                Event::LoginRefused(refused) => {
                    let person = person.as_deref_mut().filter(|_| tries > 0);
                    tries = tries.saturating_sub(1);
                    match ask_again(link, person, refused)? {
                        Some(login) => {
                            let (now, user) = (link.now(), link.session().user().to_owned());
                            link.session_mut().log_in(now, user, login);
                        }
                        None => return Ok(Err(Ending::Refused(refused.to_string()))),
                    }
                }
                _ => early.push(event),
            }
        }
        if link.session().state() == State::Online {
            return Ok(Ok(early));
        }
    }
}

/// Another login after a refusal that another login may help against.
fn ask_again(
    link: &Link,
    person: Option<&mut (dyn Person + '_)>,
    refused: &Refused,
) -> io::Result<Option<Login>> {
    let Some(person) = person else { return Ok(None) };
    let user = link.session().user();
    if refused.is(Code::NoName) {
        return person.login(&link.target().server, user);
    }
    if !refused.is(Code::LoginFailed) {
        return Ok(None);
    }
    let password = person.secret(&format!("{refused}\npassword of {user}: "))?;
    Ok(password.map(Login::Password))
}

/// The server is not trusted: the user may know better, if it is new.
fn confirm(link: &mut Link, person: Option<&mut (dyn Person + '_)>) -> io::Result<Option<Ending>> {
    let Some((verdict, text)) = link.untrusted() else { return Ok(Some(Ending::Done)) };
    let Verdict::Unknown(fingerprint) = verdict else { return Ok(Some(Ending::Failed(text))) };
    match person {
        None => Ok(Some(Ending::Failed(format!("{text}\n--accept-new trusts a server on first use")))),
        Some(person) => {
            if person.confirms(&format!("{text}\nIs this the right server? [yes/no] "))? {
                link.confirm(fingerprint)?;
                Ok(None)
            } else {
                Ok(Some(Ending::Failed("the server was not confirmed".to_owned())))
            }
        }
    }
}

/// Passwords that may be typed before it is over, like ssh.
const PASSWORD_TRIES: u32 = 3;
