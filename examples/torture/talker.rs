//! A program that talks JSON lines and waits for its answers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;

pub struct Talker {
    reader: BufReader<TcpStream>,
    next_id: u64,
    /// Events that came while an answer was waited for.
    pub events: Vec<Value>,
}

impl Talker {
    pub fn connect(address: SocketAddr) -> Outcome<Talker> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Talker { reader: BufReader::new(stream), next_id: 1 << 40, events: Vec::new() })
    }

    pub fn guest(address: SocketAddr, name: &str, room: &str) -> Outcome<Talker> {
        let mut talker = Talker::connect(address)?;
        talker.ok(json!({"cmd": "nick", "user": name}))?;
        talker.ok(json!({"cmd": "join", "room": room}))?;
        Ok(talker)
    }

    pub fn send(&mut self, request: &Value) -> Outcome<()> {
        self.reader.get_mut().write_all(format!("{request}\n").as_bytes())?;
        Ok(())
    }

    /// The next line, whatever it is.
    pub fn hear(&mut self) -> Outcome<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            return Err("the connection ended".into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Asks and waits for the whole reply.
    pub fn ask(&mut self, mut request: Value) -> Outcome<Value> {
        self.next_id += 1;
        request["id"] = self.next_id.into();
        self.send(&request)?;
        loop {
            let line = self.hear()?;
            if line["re"] == self.next_id {
                return Ok(line);
            }
            self.events.push(line);
        }
    }

    /// Asks for something that is granted.
    pub fn ok(&mut self, request: Value) -> Outcome<Value> {
        let reply = self.ask(request)?;
        if reply["ok"].is_object() { Ok(reply["ok"].clone()) } else { Err(reply.to_string().into()) }
    }

    /// A room's whole log: each message's position, author and text.
    pub fn log(&mut self, room: &str) -> Outcome<Vec<(u64, String, String)>> {
        let mut all: Vec<(u64, String, String)> = Vec::new();
        loop {
            let after = all.last().map_or(0, |(seq, _, _)| *seq);
            let page = self.ok(json!({"cmd": "history", "room": room, "after": after, "limit": 500}))?;
            let messages = page["messages"].as_array().ok_or("a page without messages")?;
            if messages.is_empty() {
                return Ok(all);
            }
            for message in messages {
                let text =
                    |field: &str| message[field].as_str().map(String::from).ok_or("a field is missing");
                all.push((message["seq"].as_u64().ok_or("no seq")?, text("from")?, text("text")?));
            }
        }
    }
}

/// The longest that anything may take here.
const PATIENCE: Duration = Duration::from_secs(20);
