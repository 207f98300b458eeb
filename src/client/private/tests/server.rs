//! A server of some pages: accounts, devices, keys handed out once, mailboxes. It speaks the lines of the
//! protocol, so that sessions need no other door; what a malicious one does is done by hand, through
//! its fields and [`Server::tamper`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::client::wire::keys::{Bytes, Fixed, OneTimePrekey, SignedPrekey};
use crate::dialect::{Decoder, Dialect, Request, Rules};
use crate::e2e::address::{DeviceId, Millis};
use crate::e2e::dh::DhPublic;
use crate::e2e::envelope::Envelope;
use crate::e2e::identity::IdentityKey;
use crate::e2e::prekey;
use crate::proto::time::Timestamp;

pub type ConnId = usize;

/// Changes a line before it leaves: `true` lets it pass.
pub type Tamper = Box<dyn FnMut(&str, &mut Value) -> bool>;

#[derive(Default)]
pub struct Server {
    pub accounts: BTreeMap<u64, Account>,
    pub conns: BTreeMap<ConnId, Conn>,
    pub now: u64,
    /// Called with the name of the account that a line is for.
    pub tamper: Option<Tamper>,
    /// Refuses everything but logins for a moment.
    pub busy: bool,
    /// Refuses the next request of this command, with this code.
    pub refuse: Option<(&'static str, &'static str)>,
    /// Requests that came, for those who count them.
    pub log: Vec<String>,
    /// Every envelope that was ever stored: what it was sealed with must be there once.
    pub sealed: BTreeMap<(Vec<u8>, u32, Vec<u8>), Vec<u8>>,
    pub next_conn: ConnId,
}

#[derive(Default)]
pub struct Account {
    pub name: String,
    pub identity: Option<Vec<u8>>,
    pub devices: BTreeMap<u32, Device>,
    pub next_device: u32,
    pub blocked: BTreeSet<u64>,
}

#[derive(Clone, Default)]
pub struct Device {
    pub name: String,
    pub signed: Option<SignedPrekey>,
    pub one_time: VecDeque<OneTimePrekey>,
    pub one_time_next: u32,
    pub run: u64,
    pub mailbox: VecDeque<Mail>,
    pub next_seq: u64,
    pub mailbox_max: usize,
}

#[derive(Clone, Debug)]
pub struct Mail {
    pub seq: u64,
    pub from: String,
    pub uid: u64,
    pub device: u32,
    pub ts: u64,
    pub body: Vec<u8>,
}

#[derive(Default)]
pub struct Conn {
    pub uid: Option<u64>,
    pub name: String,
    pub device: Option<u32>,
    /// The newest envelope that was pushed here.
    pub pushed: u64,
    pub out: VecDeque<String>,
}

type Refusal = (&'static str, Value);

impl Server {
    pub fn connect(&mut self) -> ConnId {
        self.next_conn += 1;
        self.conns.insert(self.next_conn, Conn::default());
        self.next_conn
    }

    pub fn uid(&mut self, name: &str) -> u64 {
        let found = self.accounts.iter().find(|(_, account)| account.name == name).map(|(uid, _)| *uid);
        found.unwrap_or_else(|| {
            let uid = self.accounts.keys().last().map_or(1, |uid| uid + 1);
            self.accounts.insert(uid, Account { name: name.to_owned(), ..Account::default() });
            uid
        })
    }

    /// The operator removes an account; its number is never used again.
    pub fn forget_account(&mut self, name: &str) {
        let uid = self.uid(name);
        let last = *self.accounts.keys().last().unwrap();
        self.accounts.remove(&uid);
        self.accounts
            .entry(last + 1)
            .or_insert_with(|| Account { name: name.to_owned(), ..Account::default() });
    }

    /// The lines that wait for a connection.
    pub fn lines(&mut self, conn: ConnId) -> Vec<String> {
        self.push_mail(conn);
        let Some(conn) = self.conns.get_mut(&conn) else { return Vec::new() };
        let lines: Vec<String> = conn.out.drain(..).collect();
        let name = conn.name.clone();
        let Some(tamper) = &mut self.tamper else { return lines };
        let mut changed = Vec::new();
        for line in lines {
            let mut value: Value = serde_json::from_str(&line).unwrap();
            if tamper(&name, &mut value) {
                changed.push(value.to_string());
            }
        }
        changed
    }

    fn tell(&mut self, conn: ConnId, value: Value) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.out.push_back(value.to_string());
        }
    }

    pub fn handle(&mut self, conn: ConnId, line: &str) {
        assert!(line.len() <= 65_536, "a request of {} bytes", line.len());
        let rules = Rules { line_bytes_max: 65_536, json_bytes_max: 65_536, secret: false };
        let mut decoder = Decoder::new(Dialect::Json);
        let whole = format!("{}\n", line.trim_end());
        let understood = decoder.decode(whole.as_bytes(), &rules).request;
        assert!(matches!(understood, Some(Request::Command(..))), "no server understands {line}");
        let request: Value = serde_json::from_str(line).expect("requests are JSON");
        let command = request["cmd"].as_str().unwrap().to_owned();
        self.log.push(command.clone());
        let id = request["id"].clone();
        let refused = self.refuse.take_if(|(refused, _)| *refused == command);
        let answer = match refused {
            Some((_, code)) => Err((code, json!({}))),
            None => self.answer(conn, &command, &request),
        };
        let answer = match answer {
            Ok(answer) => json!({"re": id, "ok": answer}),
            Err((code, mut more)) => {
                more["code"] = code.into();
                more["text"] = "no".into();
                json!({"re": id, "err": more})
            }
        };
        self.tell(conn, answer);
    }

    fn answer(&mut self, conn: ConnId, command: &str, request: &Value) -> Result<Value, Refusal> {
        let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
        match command {
            "hello" => return Ok(json!({"server": "test", "version": 1})),
            "ping" => return Ok(json!({})),
            "nick" => {
                self.conns.get_mut(&conn).unwrap().name = text("user");
                return Ok(json!({"user": text("user")}));
            }
            "login" => {
                let (uid, name) = (self.uid(&text("user")), text("user"));
                let conn = self.conns.get_mut(&conn).unwrap();
                (conn.uid, conn.name) = (Some(uid), name);
                return Ok(json!({"user": text("user"), "token": "t", "rooms": []}));
            }
            "msg" if !self.busy => return self.message(conn, &text("user"), &text("text")),
            _ if self.busy => return Err(("busy", json!({}))),
            _ => {}
        }
        let uid = self.conns[&conn].uid.ok_or(("not-registered", json!({})))?;
        let attached = self.conns[&conn].device;
        let number = |field: &str| request[field].as_u64().unwrap_or_default();
        let numbers =
            |field: &str| -> Vec<u32> { serde_json::from_value(request[field].clone()).unwrap_or_default() };
        match command {
            "devices" => self.devices(uid, request["user"].as_str()),
            "enroll" => self.enroll(uid, request),
            "prekeys" => self.prekeys(conn, uid, request),
            "attach" => self.attach(conn, uid, number("device") as u32, number("run")),
            "ack" => {
                let device =
                    attached.and_then(|device| self.accounts.get_mut(&uid)?.devices.get_mut(&device));
                let device = device.ok_or(("no-such-device", json!({})))?;
                device.mailbox.retain(|mail| mail.seq > number("seq"));
                Ok(json!({"seq": number("seq")}))
            }
            "claim" => self.claim(&text("user"), &numbers("devices"), (uid, attached)),
            "send" => self.send(conn, uid, request),
            "revoke" => {
                let device = number("device") as u32;
                let gone = self.accounts.get_mut(&uid).unwrap().devices.remove(&device);
                gone.ok_or(("no-such-device", json!({})))?;
                self.expel(uid, device);
                self.notice(uid, conn, &json!({"kind": "device", "device": device, "added": false}));
                Ok(json!({"device": device}))
            }
            "pair" => {
                let others: Vec<ConnId> = self.others(uid, conn);
                let event = json!({"ev": "pair", "answer": request["answer"]});
                others.iter().for_each(|other| self.tell(*other, event.clone()));
                Ok(json!({"sessions": others.len()}))
            }
            _ => Err(("unknown-command", json!({}))),
        }
    }

    fn message(&mut self, conn: ConnId, to: &str, text: &str) -> Result<Value, Refusal> {
        let from = self.conns[&conn].name.clone();
        let event = json!({"ev": "private", "from": from, "to": to, "ts": self.time(), "text": text});
        let readers: Vec<ConnId> =
            self.conns.iter().filter(|(_, conn)| conn.name == to).map(|(id, _)| *id).collect();
        readers.iter().for_each(|reader| self.tell(*reader, event.clone()));
        let known = !readers.is_empty() || self.accounts.values().any(|account| account.name == to);
        if known {
            Ok(json!({"to": to, "ts": self.time(), "kept": readers.is_empty()}))
        } else {
            Err(("no-such-user", json!({})))
        }
    }

    fn time(&self) -> String {
        Timestamp(self.now).rfc3339()
    }

    fn others(&self, uid: u64, conn: ConnId) -> Vec<ConnId> {
        let of = |(id, other): &(&ConnId, &Conn)| other.uid == Some(uid) && **id != conn;
        self.conns.iter().filter(of).map(|(id, _)| *id).collect()
    }

    fn notice(&mut self, uid: u64, conn: ConnId, notice: &Value) {
        let mut event = notice.clone();
        event["ev"] = "notice".into();
        self.others(uid, conn).iter().for_each(|other| self.tell(*other, event.clone()));
    }

    fn detach(&mut self, uid: u64, device: u32, but: ConnId) {
        let event = json!({"ev": "notice", "kind": "detached", "device": device});
        for (id, conn) in &mut self.conns {
            if *id != but && conn.uid == Some(uid) && conn.device == Some(device) {
                conn.device = None;
                conn.out.push_back(event.to_string());
            }
        }
    }

    /// A revoked device is told so, and heard no more.
    fn expel(&mut self, uid: u64, device: u32) {
        let last = json!({"ev": "error", "code": "revoked", "text": "no"});
        for conn in self.conns.values_mut() {
            if conn.uid == Some(uid) && conn.device == Some(device) {
                (conn.uid, conn.device) = (None, None);
                conn.out.push_back(last.to_string());
            }
        }
    }

    fn listed(&self, uid: u64) -> Vec<u32> {
        let devices = self.accounts[&uid].devices.iter();
        devices.filter(|(_, device)| device.signed.is_some()).map(|(number, _)| *number).collect()
    }

    fn devices(&mut self, me: u64, user: Option<&str>) -> Result<Value, Refusal> {
        let found = match user {
            None => Some(me),
            Some(user) => self.accounts.iter().find(|(_, account)| account.name == user).map(|(uid, _)| *uid),
        };
        let Some(uid) = found else {
            let guest = self.conns.values().any(|conn| Some(&*conn.name) == user);
            let guest = guest.then(|| json!({"user": user, "devices": []}));
            return guest.ok_or(("no-such-user", json!({})));
        };
        let listed = self.listed(uid);
        let account = &self.accounts[&uid];
        let lines: Vec<Value> = listed
            .iter()
            .map(|number| match user {
                None => json!({"device": number, "name": account.devices[number].name, "since": self.time()}),
                Some(_) => json!({"device": number}),
            })
            .collect();
        let mut answer = json!({"user": account.name, "uid": uid, "devices": lines});
        if let Some(identity) = account.identity.as_ref().filter(|_| user.is_none() || !listed.is_empty()) {
            answer["identity"] = BASE64.encode(identity).into();
        }
        Ok(answer)
    }

    fn enroll(&mut self, uid: u64, request: &Value) -> Result<Value, Refusal> {
        let identity: Fixed<32> = serde_json::from_value(request["identity"].clone()).unwrap();
        IdentityKey::import(&identity.0).map_err(|_| ("bad-argument", json!({})))?;
        let replace = request["replace"].as_bool().unwrap_or_default();
        let account = self.accounts.get_mut(&uid).unwrap();
        let mut gone = Vec::new();
        match &account.identity {
            Some(known) if *known != identity.0 && !replace => return Err(("wrong-identity", json!({}))),
            Some(known) if *known != identity.0 => {
                gone.extend(std::mem::take(&mut account.devices).into_keys());
            }
            _ => {}
        }
        account.identity = Some(identity.0.to_vec());
        if account.devices.len() >= 8 {
            account.devices.retain(|_, device| device.signed.is_some());
        }
        if account.devices.len() >= 8 {
            return Err(("too-many", json!({})));
        }
        account.next_device += 1;
        let device = account.next_device;
        let name = request["name"].as_str().unwrap().to_owned();
        let fresh = Device { name, one_time_next: 1, next_seq: 1, mailbox_max: 10_000, ..Device::default() };
        account.devices.insert(device, fresh);
        gone.into_iter().for_each(|device| self.detach(uid, device, 0));
        Ok(json!({"uid": uid, "device": device}))
    }

    fn prekeys(&mut self, conn: ConnId, uid: u64, request: &Value) -> Result<Value, Refusal> {
        let number = request["device"].as_u64().unwrap() as u32;
        let account = self.accounts.get_mut(&uid).unwrap();
        let identity: [u8; 32] = account.identity.clone().unwrap_or_default().try_into().unwrap_or([0; 32]);
        let device = account.devices.get_mut(&number).ok_or(("no-such-device", json!({})))?;
        let signed: Option<SignedPrekey> = serde_json::from_value(request["signed"].clone()).unwrap();
        let first = device.signed.is_none();
        if let Some(signed) = signed {
            let prekey = prekey::SignedPrekey {
                id: signed.id,
                created: Millis(signed.created),
                public: DhPublic(signed.key.0),
                signature: signed.signature.0,
            };
            let identity = IdentityKey::import(&identity).map_err(|_| ("bad-signature", json!({})))?;
            let verified = prekey.verify(&identity, DeviceId::new(number).unwrap());
            verified.map_err(|_| ("bad-signature", json!({})))?;
            let before = device.signed.map_or(0, |before| before.id);
            if signed.id < before || signed.id == before && device.signed != Some(signed) {
                return Err(("bad-argument", json!({})));
            }
            device.signed = Some(signed);
        } else if first {
            return Err(("missing-argument", json!({})));
        }
        if request["replace"].as_bool().unwrap_or_default() {
            device.one_time.clear();
        }
        let one_time: Option<Vec<OneTimePrekey>> =
            serde_json::from_value(request["one_time"].clone()).unwrap();
        for prekey in one_time.unwrap_or_default() {
            if prekey.id >= device.one_time_next {
                device.one_time_next = prekey.id + 1;
                device.one_time.push_back(prekey);
            }
        }
        let (left, name) = (device.one_time.len(), device.name.clone());
        assert!(left <= 100, "{left} one-time prekeys");
        if first {
            self.notice(uid, conn, &json!({"kind": "device", "device": number, "name": name, "added": true}));
        }
        Ok(json!({"device": number, "one_time": left}))
    }

    fn attach(&mut self, conn: ConnId, uid: u64, number: u32, run: u64) -> Result<Value, Refusal> {
        let device = self.accounts.get_mut(&uid).unwrap().devices.get_mut(&number);
        let device = device.ok_or(("no-such-device", json!({})))?;
        let before = device.run;
        device.run = before.max(run);
        let mut answer = json!({
            "device": number, "run": before, "one_time": device.one_time.len(),
            "one_time_next": device.one_time_next, "waiting": device.mailbox.len(),
        });
        if let Some(signed) = device.signed {
            answer["signed"] = json!({"id": signed.id, "created": signed.created});
        }
        self.detach(uid, number, conn);
        let reader = self.conns.get_mut(&conn).unwrap();
        assert!(reader.device.is_none(), "one device for a connection");
        (reader.device, reader.pushed) = (Some(number), 0);
        Ok(answer)
    }

    /// What waits for the device that a connection reads.
    fn push_mail(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (Some(uid), Some(number)) = (conn.uid, conn.device) else { return };
        let Some(device) = self.accounts.get(&uid).and_then(|account| account.devices.get(&number)) else {
            return;
        };
        for mail in device.mailbox.iter().filter(|mail| mail.seq > conn.pushed) {
            let Mail { seq, from, uid, device, ts, body } = mail;
            let (ts, body) = (Timestamp(*ts).rfc3339(), BASE64.encode(body));
            let event = json!({
                "ev": "envelope", "seq": seq, "from": from, "uid": uid, "device": device, "ts": ts, "body": body,
            });
            conn.out.push_back(event.to_string());
        }
        conn.pushed = device.mailbox.iter().map(|mail| mail.seq).max().unwrap_or(0).max(conn.pushed);
    }

    fn claim(&mut self, user: &str, devices: &[u32], asker: (u64, Option<u32>)) -> Result<Value, Refusal> {
        let found = self.accounts.iter().find(|(_, account)| account.name == user).map(|(uid, _)| *uid);
        let uid = found.ok_or(("no-such-user", json!({})))?;
        let account = self.accounts.get_mut(&uid).unwrap();
        if account.blocked.contains(&asker.0) {
            return Err(("blocked", json!({})));
        }
        let identity = BASE64.encode(&account.identity.clone().unwrap_or_default());
        let mut bundles = Vec::new();
        for number in devices.iter().filter(|number| (uid, Some(**number)) != asker) {
            let Some(device) = account.devices.get_mut(number) else { continue };
            let Some(signed) = device.signed else { continue };
            let mut bundle = json!({"device": number, "identity": identity, "signed": signed});
            if let Some(one_time) = device.one_time.pop_front() {
                bundle["one_time"] = json!(one_time);
            }
            bundles.push(bundle);
        }
        Ok(json!({"user": user, "uid": uid, "bundles": bundles}))
    }

    fn send(&mut self, conn: ConnId, uid: u64, request: &Value) -> Result<Value, Refusal> {
        let sender = self.conns[&conn].device.ok_or(("no-such-device", json!({})))?;
        let user = request["user"].as_str().unwrap();
        let found = self.accounts.iter().find(|(_, account)| account.name == user).map(|(uid, _)| *uid);
        let reader = found.ok_or(("no-such-user", json!({})))?;
        if self.accounts[&reader].blocked.contains(&uid) {
            return Err(("blocked", json!({})));
        }
        let mut mine = self.listed(uid);
        mine.retain(|device| *device != sender);
        let to = if reader == uid { mine.clone() } else { self.listed(reader) };
        let own = if reader == uid { Vec::new() } else { mine };
        if request["to"] != json!(to) || request["own"] != json!(own) {
            return Err(("devices-changed", json!({"to": to, "own": own})));
        }
        let mut full = Vec::new();
        let mut stored = 0;
        for (field, uid_to, listed) in [("envelopes", reader, &to), ("copies", uid, &own)] {
            for entry in request[field].as_array().unwrap() {
                let number = entry["device"].as_u64().unwrap() as u32;
                assert!(listed.contains(&number), "an envelope for a device that is not there");
                let Bytes(body) = serde_json::from_value(entry["body"].clone()).unwrap();
                self.check_sealed(&body);
                let (from, ts) = (self.accounts[&uid].name.clone(), self.now);
                let account = self.accounts.get_mut(&uid_to).unwrap();
                let name = account.name.clone();
                let device = account.devices.get_mut(&number).unwrap();
                if device.mailbox.len() >= device.mailbox_max {
                    full.push(json!({"user": name, "device": number}));
                    continue;
                }
                stored += 1;
                let seq = device.next_seq;
                device.next_seq += 1;
                device.mailbox.push_back(Mail { seq, from, uid, device: sender, ts, body });
            }
        }
        if stored == 0 && !full.is_empty() {
            return Err(("too-many", json!({})));
        }
        Ok(json!({"to": user, "ts": self.time(), "full": full}))
    }

    /// No key and nonce may ever seal two things.
    fn check_sealed(&mut self, body: &[u8]) {
        let header = Envelope::parse(body).expect("an envelope").header;
        let start =
            body.len() - body.len().min(if body[1] == 1 { body.len() - 114 } else { body.len() - 42 });
        let nonce = body[start..start + 12].to_vec();
        let key = (header.ratchet.0.to_vec(), header.number, nonce);
        let before = self.sealed.insert(key, body.to_vec());
        assert!(before.is_none_or(|before| before == body), "a key and a nonce were used twice");
    }
}
