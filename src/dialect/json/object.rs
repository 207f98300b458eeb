//! Writes JSON objects straight into a buffer: no tree in between, no allocation of its own.

use data_encoding::BASE64;

use crate::proto::time::Timestamp;

/// An object that is being written. [`Object::end`] closes it.
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    pub fn open(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object { out, empty: true }
    }

    pub fn text(&mut self, name: &'static str, text: &str) -> &mut Self {
        escaped(text, self.key(name));
        self
    }

    pub fn text_if_any(&mut self, name: &'static str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            self.text(name, text);
        }
        self
    }

    pub fn number(&mut self, name: &'static str, number: u64) -> &mut Self {
        self.value(name, number)
    }

    pub fn number_if_any(&mut self, name: &'static str, number: Option<u64>) -> &mut Self {
        if let Some(number) = number {
            self.number(name, number);
        }
        self
    }

    pub fn numbers(&mut self, name: &'static str, numbers: impl IntoIterator<Item = u64>) -> &mut Self {
        self.list(name, numbers, |out, number| {
            serde_json::to_writer(out, &number).expect("numbers are JSON");
        })
    }

    /// Bytes, in base64.
    pub fn bytes(&mut self, name: &'static str, bytes: &[u8]) -> &mut Self {
        let out = self.key(name);
        out.push(b'"');
        let start = out.len();
        out.resize(start + BASE64.encode_len(bytes.len()), 0);
        BASE64.encode_mut(bytes, &mut out[start..]);
        out.push(b'"');
        self
    }

    /// The number of a request, which may be negative.
    pub fn id(&mut self, name: &'static str, id: i64) -> &mut Self {
        self.value(name, id)
    }

    pub fn flag(&mut self, name: &'static str, flag: bool) -> &mut Self {
        self.value(name, flag)
    }

    /// A flag that is left out while it is false.
    pub fn flag_if_set(&mut self, name: &'static str, flag: bool) -> &mut Self {
        if flag {
            self.value(name, true);
        }
        self
    }

    pub fn time(&mut self, name: &'static str, at: Timestamp) -> &mut Self {
        let out = self.key(name);
        out.push(b'"');
        at.write_rfc3339(out);
        out.push(b'"');
        self
    }

    pub fn time_if_any(&mut self, name: &'static str, at: Option<Timestamp>) -> &mut Self {
        if let Some(at) = at {
            self.time(name, at);
        }
        self
    }

    /// A field that is an object of its own.
    pub fn object(&mut self, name: &'static str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        let mut object = Object::open(self.key(name));
        fill(&mut object);
        object.end();
        self
    }

    pub fn objects<T>(
        &mut self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        fill: impl Fn(&mut Object<'_>, T),
    ) -> &mut Self {
        self.list(name, items, |out, item| {
            let mut object = Object::open(out);
            fill(&mut object, item);
            object.end();
        })
    }

    pub fn texts<'t>(&mut self, name: &'static str, texts: impl IntoIterator<Item = &'t str>) -> &mut Self {
        self.list(name, texts, |out, text| escaped(text, out))
    }

    pub fn end(&mut self) {
        self.out.push(b'}');
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Vec<u8>, T),
    ) -> &mut Self {
        let out = self.key(name);
        out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write(out, item);
        }
        out.push(b']');
        self
    }

    fn value(&mut self, name: &'static str, value: impl serde::Serialize) -> &mut Self {
        serde_json::to_writer(self.key(name), &value).expect("numbers and flags are JSON");
        self
    }

    fn key(&mut self, name: &'static str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }
}

fn escaped(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string is JSON, and memory takes it");
}
