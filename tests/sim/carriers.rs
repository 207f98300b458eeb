//! People who send each other files, over sockets that tear everything, a lane that is late or fails, and a
//! server that dies. What is checked: every PUT has one answer, those to one file in order; what was
//! stored stays, up to what a crash may cost; what is read is what was sent, without gaps; whatever is asked
//! for comes to its end; and nothing is left of all that in the hub, in any list, in any buffer.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use sottovoce::dialect::frame::Decoded;
use sottovoce::dialect::frame::client::ClientFrame;
use sottovoce::dialect::frame::server::ServerFrame;
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

use crate::plan::Plan;
use crate::random::Random;
use crate::world::World;

pub fn run(seed: u64) {
    let mut random = Random::new(seed ^ 0x0066_696c_6573);
    let plan = Plan::new(&mut random);
    log::trace!("seed {seed}: {plan:?}");
    let mut world = World::new(plan, random);
    let mut files: Vec<File> = Vec::new();
    let mut people: Vec<Carrier> = NAMES.iter().map(|name| Carrier::new(name)).collect();
    for _ in 0..world.plan.turns {
        for (index, person) in people.iter_mut().enumerate() {
            if world.random.per_mille(400) {
                person.act(index, &mut world, &mut files);
            }
        }
        if world.plan.full_disk && world.random.per_mille(20) {
            world.lanes.full = !world.lanes.full;
        }
        turn(&mut world, &mut people, &mut files);
        if world.plan.restarts && world.random.per_mille(10) {
            match world.random.per_mille(700) {
                true => world.crash(&mut []),
                false => world.stop(&mut []),
            }
            files.iter_mut().for_each(File::survive);
            people.iter_mut().for_each(Carrier::lose);
        }
    }
    log::trace!("---- calm");
    (world.calm, world.net.faults, world.lanes.faults) = (true, false, false);
    settle(&mut world, &mut people, &mut files);
    everything_arrives(&mut world, &mut people, &mut files);
    for person in &mut people {
        person.links().for_each(|pipe| world.net.end(pipe));
        (person.lines, person.data) = (None, Vec::new());
    }
    for _ in 0..SETTLE_TURNS {
        world.turn(&mut []);
        if world.engine.connections() == 0 {
            break;
        }
        for pipe in 0..world.net.pipes.len() {
            world.net.take(pipe, usize::MAX);
        }
    }
    assert!(world.engine.connections() == 0, "{} connections are left", world.engine.connections());
    assert!(world.engine.hub().is_settled(), "something is left of transfers that are over");
}

/// A file as everybody should see it.
#[derive(Debug)]
struct File {
    id: FileId,
    owner: usize,
    size: usize,
    /// Bytes that the server said it has.
    stored: usize,
    complete: bool,
    /// Somebody wanted it to go: it may be there, or not.
    leaving: bool,
}

impl File {
    fn byte(index: usize, offset: usize) -> u8 {
        (index.wrapping_mul(151) ^ offset.wrapping_mul(37) ^ (offset >> 8)) as u8
    }

    fn bytes(index: usize, from: usize, to: usize) -> Vec<u8> {
        (from..to).map(|offset| File::byte(index, offset)).collect()
    }

    /// The server died, or stopped: half a piece may be lost.
    fn survive(&mut self) {
        if self.stored < self.size {
            self.stored -= self.stored % PIECE_BYTES;
        }
    }
}

/// An account with a connection for lines and some for files.
struct Carrier {
    name: &'static str,
    registered: bool,
    lines: Option<Lines>,
    data: Vec<Data>,
    last_request: u32,
}

struct Lines {
    pipe: usize,
    heard: Vec<u8>,
    logged_in: bool,
    /// What the one open request is about.
    open: Option<Asked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Login,
    Upload { size: usize },
    About { file: usize, what: &'static str },
}

struct Data {
    pipe: usize,
    heard: Vec<u8>,
    ready: bool,
    /// PUTs that are not answered: request, file, offset, bytes.
    puts: VecDeque<(u32, usize, usize, usize)>,
    /// GETs under way.
    gets: BTreeMap<u32, Get>,
    /// Nothing is taken from it, so that pieces wait to be sent.
    deaf: bool,
    /// It sent garbage, and has to be closed for it.
    doomed: bool,
}

#[derive(Debug)]
struct Get {
    file: usize,
    /// What comes next, and the end.
    next: usize,
    end: usize,
    /// The file was not known to be complete when this was asked for.
    early: bool,
    cancelled: bool,
}

impl Carrier {
    fn new(name: &'static str) -> Carrier {
        Carrier { name, registered: false, lines: None, data: Vec::new(), last_request: 0 }
    }

    fn links(&self) -> impl Iterator<Item = usize> {
        self.lines.iter().map(|lines| lines.pipe).chain(self.data.iter().map(|data| data.pipe))
    }

    /// The server is another one now.
    fn lose(&mut self) {
        self.lines = None;
        self.data.clear();
    }

    fn act(&mut self, me: usize, world: &mut World, files: &mut [File]) {
        let Some(lines) = &mut self.lines else {
            let pipe = connect(world);
            let cmd = if self.registered { "login" } else { "register" };
            let hello = json!({"id": 1, "cmd": cmd, "user": self.name, "password": PASSWORD});
            world.net.send(pipe, format!("{hello}\n").as_bytes());
            self.lines = Some(Lines { pipe, heard: Vec::new(), logged_in: false, open: Some(Asked::Login) });
            return;
        };
        if !lines.logged_in {
            return;
        }
        let receiving: Vec<usize> =
            (0..self.data.len()).filter(|&data| !self.data[data].gets.is_empty()).collect();
        if !receiving.is_empty() && world.random.per_mille(CUT_PER_MILLE) {
            return self.cut_off(*world.random.pick(&receiving), world);
        }
        match world.random.below(12) {
            0 if self.data.len() < 3 => self.connect_data(world),
            1 if lines.open.is_none() => {
                let size = match world.random.per_mille(30) {
                    true => PIECE_BYTES + 7,
                    false => *world.random.pick(&[1, 44, 500, 3_000]),
                };
                let readers = world.random.between(1, 2);
                let request = json!({"id": 1, "cmd": "upload", "size": size, "readers": readers});
                world.net.send(lines.pipe, format!("{request}\n").as_bytes());
                lines.open = Some(Asked::Upload { size });
            }
            2 if lines.open.is_none() && !files.is_empty() => {
                let file = world.random.below(files.len());
                let mine = files[file].owner == me;
                let what = match (mine, world.random.below(20)) {
                    (true, 0) => "delete",
                    (true, 1..10) => "finish",
                    (true, _) => "upload-status",
                    (false, 0..5) => "decline",
                    (false, _) => return,
                };
                self.ask_about(file, what, world, files);
            }
            3 if world.random.per_mille(30) => self.misbehave(world),
            4..=7 => self.put(me, world, files, usize::MAX),
            _ => self.get(world, files),
        }
    }

    fn connect_data(&mut self, world: &mut World) {
        let pipe = connect(world);
        let login = json!({"id": 1, "cmd": "login", "user": self.name, "password": PASSWORD, "data": true});
        world.net.send(pipe, format!("{login}\n").as_bytes());
        self.data.push(Data {
            pipe,
            heard: Vec::new(),
            ready: false,
            puts: VecDeque::new(),
            gets: BTreeMap::new(),
            deaf: false,
            doomed: false,
        });
    }

    fn ask_about(&mut self, file: usize, what: &'static str, world: &mut World, files: &mut [File]) {
        let lines = self.lines.as_mut().expect("the caller looked");
        let request = json!({"id": 1, "cmd": what, "file": files[file].id.to_string()});
        world.net.send(lines.pipe, format!("{request}\n").as_bytes());
        lines.open = Some(Asked::About { file, what });
        files[file].leaving |= matches!(what, "delete" | "decline");
    }

    /// One that is logged in and not over.
    fn any_data(&mut self, random: &mut Random) -> Option<(&mut Data, u32)> {
        self.last_request += 1;
        let request = self.last_request;
        let mut ready: Vec<&mut Data> =
            self.data.iter_mut().filter(|data| data.ready && !data.doomed).collect();
        if ready.is_empty() {
            return None;
        }
        let index = random.below(ready.len());
        Some((ready.swap_remove(index), request))
    }

    /// The next bytes of an upload, or sometimes others.
    fn put(&mut self, me: usize, world: &mut World, files: &[File], most: usize) {
        let own: Vec<usize> =
            (0..files.len()).filter(|&file| files[file].owner == me && !files[file].complete).collect();
        if own.is_empty() {
            return;
        }
        let file = *world.random.pick(&own);
        let mut random = world.random.clone();
        world.random.next();
        let Some((data, request)) = self.any_data(&mut random) else { return };
        let behind = data.puts.iter().rev().find(|put| put.1 == file).map(|put| put.2 + put.3);
        let mut from = behind.unwrap_or(files[file].stored);
        if most == usize::MAX && random.per_mille(50) {
            from = random.below(files[file].size + 2);
        }
        let left = files[file].size.saturating_sub(from);
        if left == 0 && !random.per_mille(20) {
            return;
        }
        let count = match most {
            usize::MAX => random.between(1, 700).min(left.max(1)),
            most => left.min(most),
        };
        let bytes = File::bytes(file, from, from + count);
        let mut wire = Vec::new();
        let frame = ClientFrame::Put { request, file: files[file].id, offset: from as u64, bytes: &bytes };
        frame.encode(&mut wire);
        if world.net.backlog(data.pipe) < 20_000 || most != usize::MAX {
            world.net.send(data.pipe, &wire);
            data.puts.push_back((request, file, from, count));
        }
    }

    fn get(&mut self, world: &mut World, files: &[File]) {
        if files.is_empty() {
            return;
        }
        let file = world.random.below(files.len());
        let mut random = world.random.clone();
        world.random.next();
        let Some((data, request)) = self.any_data(&mut random) else { return };
        if let Some((&request, get)) = data.gets.iter_mut().next()
            && random.per_mille(100)
        {
            get.cancelled = true;
            let mut wire = Vec::new();
            ClientFrame::Cancel { request }.encode(&mut wire);
            return world.net.send(data.pipe, &wire);
        }
        let size = files[file].size;
        let (from, length) = match random.below(3) {
            0 => (0, 0),
            1 => (random.below(size + 2), 0),
            _ => (random.below(size), random.between(1, size.min(1_000))),
        };
        let end = if length == 0 { size } else { from + length };
        let mut wire = Vec::new();
        let (offset, length) = (from as u64, length as u64);
        ClientFrame::Get { request, file: files[file].id, offset, length }.encode(&mut wire);
        world.net.send(data.pipe, &wire);
        let early = !files[file].complete;
        data.gets.insert(request, Get { file, next: from, end, early, cancelled: false });
        data.deaf |= random.per_mille(150);
    }

    /// Is gone while a file comes: what is read for it, or waits to be sent, is for nobody.
    fn cut_off(&mut self, data: usize, world: &mut World) {
        let data = &mut self.data[data];
        match world.random.per_mille(700) {
            true => world.net.reset(data.pipe),
            false => world.net.end(data.pipe),
        }
        data.doomed = true;
    }

    fn misbehave(&mut self, world: &mut World) {
        let mut random = world.random.clone();
        world.random.next();
        let Some((data, _)) = self.any_data(&mut random) else { return };
        match random.below(4) {
            0 => world.net.reset(data.pipe),
            1 => world.net.end(data.pipe),
            2 => world.net.send(data.pipe, b"\0\0\0\x05\x7f\0\0\0\x01"),
            _ => world.net.send(data.pipe, b"{\"id\":1,\"cmd\":\"ping\"}\n"),
        }
        data.doomed = true;
    }

    /// Reads what came on all connections, and notices which of them are over.
    fn look(&mut self, me: usize, world: &mut World, files: &mut Vec<File>) {
        if let Some(mut lines) = self.lines.take() {
            lines.heard.append(&mut world.net.pipes[lines.pipe].output);
            while let Some(end) = lines.heard.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = lines.heard.drain(..=end).collect();
                if !line.starts_with(b"{") {
                    // Its first bytes were late, and it was greeted like a person.
                    continue;
                }
                let line: Value = serde_json::from_slice(&line).expect("the server speaks JSON");
                if line.get("re").is_some() {
                    let asked = lines.open.take().expect("it was asked for");
                    self.registered |= asked == Asked::Login && line.get("ok").is_some();
                    lines.logged_in |= asked == Asked::Login && line.get("ok").is_some();
                    answered(me, asked, &line, files);
                    if asked == Asked::Login && !lines.logged_in {
                        self.registered |= line["err"]["code"] == "name-registered";
                        world.net.end(lines.pipe);
                    }
                }
            }
            if !is_over(world, lines.pipe) {
                self.lines = Some(lines);
            }
        }
        let mut data = std::mem::take(&mut self.data);
        data.retain_mut(|data| {
            data.heard.append(&mut world.net.pipes[data.pipe].output);
            data.read(files);
            !is_over(world, data.pipe)
        });
        self.data = data;
    }
}

impl Data {
    fn read(&mut self, files: &mut [File]) {
        if !self.ready {
            let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') else { return };
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            if !line.starts_with(b"{") {
                return;
            }
            let line: Value = serde_json::from_slice(&line).expect("the server speaks JSON");
            self.ready = line.get("ok").is_some();
            self.doomed |= !self.ready;
            if !self.ready {
                return;
            }
        }
        let heard = std::mem::take(&mut self.heard);
        let mut rest = &heard[..];
        while let Decoded::Frame { frame, consumed } =
            ServerFrame::decode(rest).expect("the server speaks frames")
        {
            self.frame(frame, files);
            rest = &rest[consumed..];
        }
        self.heard = rest.to_vec();
    }

    /// The file, place and length of a PUT that was answered now; those to one file are answered in order.
    fn take_put(&mut self, request: u32) -> (usize, usize, usize) {
        let place = self.puts.iter().position(|put| put.0 == request).expect("it was sent");
        let (_, index, from, count) = self.puts.remove(place).expect("it has this place");
        let before = self.puts.iter().take(place).any(|put| put.1 == index);
        assert!(!before, "a PUT was answered before the one before it");
        (index, from, count)
    }

    fn frame(&mut self, frame: ServerFrame<'_>, files: &mut [File]) {
        match frame {
            ServerFrame::Stored { request, file, stored } => {
                let (index, from, count) = self.take_put(request);
                let stored = usize::try_from(stored).expect("small");
                let known = &mut files[index];
                assert!(known.id == file, "STORED tells of the file that was written");
                assert!(from + count <= stored && stored <= known.size, "{stored} after {from}+{count}");
                known.stored = known.stored.max(stored);
            }
            ServerFrame::Data { request, offset, bytes } => {
                let get = self.gets.get_mut(&request).expect("it was asked for");
                assert!(offset == get.next as u64, "a gap, or something twice");
                let expected = File::bytes(get.file, get.next, get.next + bytes.len());
                assert!(bytes == expected, "{} bytes at {offset} are not what was sent", bytes.len());
                get.next += bytes.len();
                assert!(get.next <= get.end, "more than was asked for");
            }
            ServerFrame::End { request } => {
                let get = self.gets.remove(&request).expect("it was asked for");
                assert!(get.next == get.end || get.cancelled, "it ends too early: {get:?}");
            }
            ServerFrame::Pong { .. } => panic!("nobody pings"),
            ServerFrame::Error { request: 0, code, .. } => {
                let deserved = self.doomed || matches!(code, "shutting-down" | "idle-timeout");
                assert!(deserved, "closed for {code}");
                self.doomed = true;
            }
            ServerFrame::Error { request, offset, code, .. } => {
                if let Some(get) = self.gets.remove(&request) {
                    let file = &files[get.file];
                    let deserved = match code {
                        "bad-offset" => get.next.max(get.end) > file.size && offset == file.size as u64,
                        "no-such-file" => get.early || file.leaving,
                        "storage-unavailable" | "too-many" => true,
                        _ => false,
                    };
                    assert!(deserved, "{get:?} of {file:?}: {code}");
                    return;
                }
                let (index, _, _) = self.take_put(request);
                let file = &mut files[index];
                let deserved = match code {
                    "bad-offset" | "storage-unavailable" => offset <= file.size as u64,
                    "no-such-file" => file.leaving,
                    _ => false,
                };
                assert!(deserved, "PUT to {file:?}: {code} {offset}");
            }
        }
    }
}

/// What the reply to a request in lines tells.
fn answered(me: usize, asked: Asked, line: &Value, files: &mut Vec<File>) {
    let code = line["err"]["code"].as_str().unwrap_or("ok");
    match asked {
        Asked::Login => {}
        Asked::Upload { size } => {
            if let Some(id) = line["ok"]["file"].as_str() {
                let id = FileId::parse(id).expect("a number");
                files.push(File { id, owner: me, size, stored: 0, complete: false, leaving: false });
            } else {
                assert!(matches!(code, "storage-unavailable" | "too-fast" | "too-many"), "{line}");
            }
        }
        Asked::About { file: index, what } => {
            let file = &mut files[index];
            let owed = match code {
                "ok" => true,
                "storage-unavailable" | "too-fast" | "busy" => true,
                "no-such-file" => file.leaving || what == "decline" && !file.complete,
                "incomplete" => what == "finish" && !file.complete,
                _ => false,
            };
            assert!(owed, "{what} of {file:?}: {line}");
            if what == "finish" && code == "ok" {
                (file.complete, file.stored) = (true, file.size);
            }
            if what == "upload-status" && code == "ok" {
                let stored =
                    usize::try_from(line["ok"]["stored"].as_u64().expect("a number")).expect("small");
                // A removal that did not come to its end has lost the bytes first.
                assert!(stored >= file.stored || file.leaving, "{stored} are left of {}", file.stored);
                file.stored = stored;
                file.complete |= line["ok"]["complete"] == true;
                assert!(line["ok"]["complete"] == file.complete, "a complete file stays so");
            }
        }
    }
}

fn connect(world: &mut World) -> usize {
    let address = std::net::Ipv4Addr::LOCALHOST.into();
    let slot = world.engine.accepted(world.clock(), address).expect("there is no limit");
    world.net.open(slot, world.plan.socket_bytes)
}

fn is_over(world: &World, pipe: usize) -> bool {
    let pipe = &world.net.pipes[pipe];
    pipe.closed || pipe.reset
}

fn turn(world: &mut World, people: &mut [Carrier], files: &mut Vec<File>) {
    world.turn(&mut []);
    for (me, person) in people.iter_mut().enumerate() {
        person.look(me, world, files);
        let deaf: Vec<usize> = person.data.iter().filter(|data| data.deaf).map(|data| data.pipe).collect();
        for pipe in person.links().collect::<Vec<_>>() {
            let most = match world.calm {
                true => usize::MAX,
                false if deaf.contains(&pipe) => 0,
                false => world.random.between(0, 3_000),
            };
            world.net.take(pipe, most);
            if world.net.pipes[pipe].shut {
                world.net.end(pipe);
            }
        }
    }
}

/// Nothing fails any more: everything that was asked for is answered.
fn settle(world: &mut World, people: &mut [Carrier], files: &mut Vec<File>) {
    let mut quiet = 0;
    for _ in 0..SETTLE_TURNS {
        turn(world, people, files);
        quiet = if world.is_quiet() && world.engine.paused() == 0 { quiet + 1 } else { 0 };
        if quiet == 3 {
            break;
        }
    }
    assert!(quiet == 3, "it does not settle: paused {}", world.engine.paused());
    for person in people.iter() {
        for data in person.data.iter().filter(|data| !data.doomed) {
            assert!(data.puts.is_empty(), "PUTs without an answer: {:?}", data.puts);
            assert!(data.gets.is_empty(), "GETs without an end: {:?}", data.gets);
        }
    }
}

/// Every upload that nobody wanted away can be brought to its end, and read by somebody else.
fn everything_arrives(world: &mut World, people: &mut [Carrier], files: &mut Vec<File>) {
    for person in people.iter_mut() {
        for _ in 0..3 {
            if person.lines.as_ref().is_none_or(|lines| !lines.logged_in) {
                person.act(0, world, files);
                world.now += 2_000;
                settle_one(world, person, files);
            }
        }
        assert!(person.lines.as_ref().is_some_and(|lines| lines.logged_in), "{} cannot log in", person.name);
        person.data.retain(|data| {
            if data.doomed {
                world.net.end(data.pipe);
            }
            !data.doomed
        });
        person.connect_data(world);
        settle_one(world, person, files);
    }
    for index in 0..files.len() {
        if files[index].leaving {
            continue;
        }
        let owner = files[index].owner;
        let person = &mut people[owner];
        for what in ["upload-status", "finish"] {
            world.now += 2_000;
            person.ask_about(index, what, world, files);
            settle_one(world, person, files);
            while files[index].stored < files[index].size {
                let before = files[index].stored;
                person.put_rest(index, world, files);
                settle_one(world, person, files);
                assert!(files[index].stored > before, "{:?} does not go on", files[index]);
            }
        }
        assert!(files[index].complete, "{:?} is not complete", files[index]);
        let reader = &mut people[(owner + 1) % NAMES.len()];
        reader.read_whole(index, world, files);
        settle_one(world, reader, files);
    }
}

fn settle_one(world: &mut World, person: &mut Carrier, files: &mut Vec<File>) {
    let me = NAMES.iter().position(|name| *name == person.name).expect("one of us");
    let mut quiet = 0;
    for _ in 0..SETTLE_TURNS {
        world.turn(&mut []);
        person.look(me, world, files);
        for pipe in person.links().collect::<Vec<_>>() {
            world.net.take(pipe, usize::MAX);
        }
        quiet = if world.is_quiet() && world.engine.paused() == 0 { quiet + 1 } else { 0 };
        if quiet == 3 {
            return;
        }
    }
    panic!("it does not settle: paused {}", world.engine.paused());
}

impl Carrier {
    fn put_rest(&mut self, index: usize, world: &mut World, files: &[File]) {
        self.last_request += 1;
        let request = self.last_request;
        let data = self.data.iter_mut().find(|data| data.ready && !data.doomed).expect("there is one");
        let (from, size) = (files[index].stored, files[index].size);
        let bytes = File::bytes(index, from, size.min(from + PIECE_BYTES));
        let mut wire = Vec::new();
        let frame = ClientFrame::Put { request, file: files[index].id, offset: from as u64, bytes: &bytes };
        frame.encode(&mut wire);
        world.net.send(data.pipe, &wire);
        data.puts.push_back((request, index, from, bytes.len()));
    }

    fn read_whole(&mut self, index: usize, world: &mut World, files: &[File]) {
        self.last_request += 1;
        let request = self.last_request;
        let data = self.data.iter_mut().find(|data| data.ready && !data.doomed).expect("there is one");
        let mut wire = Vec::new();
        ClientFrame::Get { request, file: files[index].id, offset: 0, length: 0 }.encode(&mut wire);
        world.net.send(data.pipe, &wire);
        let end = files[index].size;
        data.gets.insert(request, Get { file: index, next: 0, end, early: false, cancelled: false });
    }
}

const NAMES: [&str; 3] = ["anna", "bert", "cleo"];
const PASSWORD: &str = "password1";
/// How often somebody goes away to whom a file comes, of a thousand times that they could do something else.
const CUT_PER_MILLE: usize = 60;
/// Turns that it may take until nothing is under way any more.
const SETTLE_TURNS: usize = 5_000;
