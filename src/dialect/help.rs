//! The commands as people read about them: for `/help`, and for the usage in error messages.

/// One command of text mode.
#[derive(Debug, PartialEq, Eq)]
pub struct Usage {
    pub name: &'static str,
    /// Upper case stands for a word or a text; brackets for what can be left out.
    pub arguments: &'static str,
    pub text: &'static str,
}

/// Every command, in the order of use.
pub const COMMANDS: [Usage; 27] = [
    usage("help", "[COMMAND]", "this table, or one command"),
    usage("nick", "NAME", "choose a guest's name, or change it"),
    usage("login", "NAME [PASSWORD]", "log in; a password left out is asked for"),
    usage("register", "NAME [PASSWORD] [INVITE]", "make an account; a password left out is asked for"),
    usage("passwd", "", "change the password; both are asked for"),
    usage("join", "ROOM [KEY]", "enter or make a room; it becomes the current one"),
    usage("leave", "[ROOM]", "leave the current room, or that one"),
    usage("me", "ACTION", "say what you do"),
    usage("msg", "USER TEXT", "a private message"),
    usage("list", "", "who is online"),
    usage("who", "[ROOM]", "who is in the current room, or that one"),
    usage("whois", "USER", "about one user"),
    usage("rooms", "", "the rooms you may see"),
    usage("status", "online|away|offline [TEXT]", "what others see of you; offline hides you"),
    usage("history", "[N]", "the newest messages of the current room"),
    usage("search", "WORDS", "messages of your rooms that contain these words"),
    usage("topic", "[TEXT]", "show the topic of the current room, or set it; - clears it"),
    usage("invite", "USER", "let a user into the current room"),
    usage("kick", "USER [WHY]", "put a user out of the current room"),
    usage("ban", "USER", "keep a user out of the current room"),
    usage("unban", "USER", "end a ban"),
    usage("op", "USER", "make a user an operator of the current room"),
    usage("deop", "USER", "unmake an operator"),
    usage("room", "public|private|key [KEY]", "who may enter the current room"),
    usage("block", "USER", "no messages from that user"),
    usage("unblock", "USER", "messages from that user again"),
    usage("quit", "[TEXT]", "leave the server"),
];

/// What `/help` says about lines that are not commands.
pub const PLAIN_TEXT: &str =
    "anything else is said in the current room; start with // for a line that starts with a slash";

/// The usage of a command, by its name in any case, with or without its slash.
pub fn find(name: &str) -> Option<&'static Usage> {
    let name = name.strip_prefix('/').unwrap_or(name);
    COMMANDS.iter().find(|usage| usage.name.eq_ignore_ascii_case(name))
}

impl Usage {
    /// As it is typed: `/join ROOM [KEY]`.
    pub fn line(&self) -> String {
        format!("/{} {}", self.name, self.arguments).trim_end().to_owned()
    }
}

const fn usage(name: &'static str, arguments: &'static str, text: &'static str) -> Usage {
    Usage { name, arguments, text }
}
