//! Does what a person wants of files: sends, accepts, declines, lists, cancels.

use std::path::Path;

use crate::client::link::Link;
use crate::client::privacy::act::Done;
use crate::client::session::event::Place;
use crate::client::transfer::ledger::{Entry, Ledger};
use crate::client::transfer::list;
use crate::client::transfer::place::told_name;
use crate::client::transfer::record::{Number, Record};
use crate::client::transfer::typed::FileCommand;
use crate::proto::name::UserName;

/// Does it, as far as it is done at once; what becomes of a file is told where it belongs.
pub fn act(link: &mut Link, command: FileCommand) -> Done {
    match do_now(link, command) {
        Ok(lines) => Done::Lines(lines),
        Err(why) => Done::Refused(why),
    }
}

fn do_now(link: &mut Link, command: FileCommand) -> Result<Vec<String>, String> {
    let now = link.now().mono;
    let downloads = link.downloads().to_path_buf();
    if let FileCommand::Send { to, path } = &command {
        let Number(number) = link.send_file(path, to)?;
        let whom = match to {
            Place::Room(room) => format!("those in {room}"),
            to => to.to_string(),
        };
        return Ok(vec![format!("sending {} to {whom}; /cancel {number} ends it", told_name(path))]);
    }
    let transfers = link.transfers_mut().ok_or("private-off: private messages are off on this device")?;
    match command {
        FileCommand::Accept { number, from, into } => {
            let number = offer(transfers.ledger(), number, from.as_ref())?;
            let into = into.unwrap_or(downloads);
            transfers.accept(now, number, &into)?;
            let name = transfers.ledger().entry(number).map(list::name).unwrap_or_default();
            Ok(vec![format!("fetching {name} into {}; /cancel {} ends it", shown(&into), number.0)])
        }
        FileCommand::Cancel { number } => {
            transfers.cancel(now, Number(number)).map_err(|unfit| unfit.to_string())?;
            Ok(Vec::new())
        }
        FileCommand::Decline { number, from } => {
            let number = offer(transfers.ledger(), number, from.as_ref())?;
            transfers.decline(number).map_err(|unfit| unfit.to_string())?;
            Ok(Vec::new())
        }
        FileCommand::List => Ok(list::lines(transfers.ledger(), now)),
        FileCommand::Send { .. } => unreachable!("done above"),
    }
}

/// The offer that is meant: by its number; or the only one of this sender, or of all.
fn offer(ledger: &Ledger, number: Option<u64>, from: Option<&UserName>) -> Result<Number, String> {
    if let Some(number) = number {
        return Ok(Number(number));
    }
    let of_sender = |entry: &&Entry| match entry.record() {
        Record::Receiving(receiving) => from.is_none_or(|from| receiving.from == **from.shown()),
        Record::Sending(_) => false,
    };
    let offers: Vec<&Entry> = ledger.offers().filter(of_sender).collect();
    match offers.as_slice() {
        [] => Err("no-such-file: nothing waits for an answer; /files lists everything".to_owned()),
        [only] => Ok(only.number()),
        several => {
            let names: Vec<String> =
                several.iter().map(|entry| format!("{} {}", entry.number().0, list::name(entry))).collect();
            Err(format!("missing-argument: which one? {}", names.join(", ")))
        }
    }
}

fn shown(directory: &Path) -> String {
    if directory == Path::new(".") { "this directory".to_owned() } else { directory.display().to_string() }
}
