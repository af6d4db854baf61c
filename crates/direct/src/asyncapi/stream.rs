//! Messages out of a stream of bytes: server-sent events, or JSON line by line.
//!
//! Source: HTML Standard, section 9.2 (Server-sent events).

use std::time::Duration;

use model::{Value, json};

/// Longest event or line, in bytes.
const MESSAGE_MAX: usize = 8 * 1024 * 1024;
/// A server that asks for less or more than this waits as long as this.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Takes bytes as they come and gives messages `{ payload, headers }`.
#[derive(Debug)]
pub(super) struct Reader {
    events: bool,
    line: Vec<u8>,
    after_return: bool,
    data: String,
    event: String,
    /// The last id that was told, from which a new stream goes on.
    pub(super) last_id: String,
    /// How long to wait before a new stream, when that was told.
    pub(super) retry: Option<Duration>,
    anything: bool,
}

impl Reader {
    pub(super) fn new(events: bool) -> Self {
        Self {
            events,
            line: Vec::new(),
            after_return: false,
            data: String::new(),
            event: String::new(),
            last_id: String::new(),
            retry: None,
            anything: false,
        }
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// When an event or a line is too long.
    pub(super) fn take(&mut self, bytes: &[u8], messages: &mut Vec<Value>) -> Result<(), String> {
        for byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                // `\r\n` is one end of a line.
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line(messages),
                byte => self.line.push(*byte),
            }
            if self.line.len() + self.data.len() > MESSAGE_MAX {
                return Err(format!("a message is longer than {MESSAGE_MAX} bytes"));
            }
        }
        Ok(())
    }

    /// The stream has ended. An event that is not complete is dropped; a last line need not have an end.
    pub(super) fn finish(&mut self, messages: &mut Vec<Value>) {
        if !self.events && !self.line.is_empty() {
            self.end_line(messages);
        }
        self.line.clear();
        self.data.clear();
        self.event.clear();
        self.anything = false;
    }

    fn end_line(&mut self, messages: &mut Vec<Value>) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if !self.events {
            if !line.trim().is_empty() {
                messages.push(Value::object([("payload", payload(&line))]));
            }
            return;
        }
        if line.is_empty() {
            self.end_event(messages);
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                self.anything = true;
                self.data.push_str(value);
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.event),
            "id" if !value.contains('\0') => value.clone_into(&mut self.last_id),
            "retry" => {
                let told = value.parse().ok().map(Duration::from_millis);
                self.retry = told.map(|told| told.clamp(RETRY_MIN, RETRY_MAX)).or(self.retry);
            }
            _ => {}
        }
    }

    fn end_event(&mut self, messages: &mut Vec<Value>) {
        let (data, event) = (std::mem::take(&mut self.data), std::mem::take(&mut self.event));
        if !std::mem::take(&mut self.anything) {
            return;
        }
        let mut message = Value::object([("payload", payload(data.strip_suffix('\n').unwrap_or(&data)))]);
        let mut headers = Value::empty_object();
        for (name, text) in [("event", &event), ("id", &self.last_id)] {
            if !text.is_empty() {
                headers.set(name, text.as_str());
            }
        }
        message.set("headers", headers);
        messages.push(message);
    }
}

/// JSON as data, anything else as a text.
pub(super) fn payload(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = ": hello\nevent: greeting\nid: 7\ndata: {\"a\":1.10}\n\nretry: 99999999\ndata: two\r\ndata:lines\r\n\r\nevent: none\n\ndata\n\ndata: cut";
        for size in [1, 2, 7, text.len()] {
            let (mut reader, mut messages) = (Reader::new(true), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                reader.take(chunk, &mut messages).expect("short");
            }
            reader.finish(&mut messages);
            let told: Vec<String> = messages.iter().map(Value::to_string).collect();
            assert_eq!(
                told,
                [
                    r#"{"payload":{"a":1.10},"headers":{"event":"greeting","id":"7"}}"#,
                    r#"{"payload":"two\nlines","headers":{"id":"7"}}"#,
                    r#"{"payload":"","headers":{"id":"7"}}"#,
                ],
                "{size}"
            );
            assert_eq!((reader.last_id.as_str(), reader.retry), ("7", Some(RETRY_MAX)));
        }
    }

    #[test]
    fn lines_are_messages_and_have_bounds() {
        let (mut reader, mut messages) = (Reader::new(false), Vec::new());
        reader.take(b"{\"a\":1}\r\n\n[2]\nthree", &mut messages).expect("short");
        reader.finish(&mut messages);
        let told: Vec<String> = messages.iter().map(|message| message.get("payload").to_string()).collect();
        assert_eq!(told, [r#"{"a":1}"#, "[2]", r#""three""#]);
        assert!(Reader::new(true).take(&vec![b'x'; MESSAGE_MAX + 1], &mut messages).is_err());
    }
}
