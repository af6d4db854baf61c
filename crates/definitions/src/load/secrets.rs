//! Secrets that stand in files although they should not: no message may show them, whatever it is about.

use model::nearest;
use workflow::yaml::{Kind, Node};

use super::files::Room;
use super::reader::Reader;

const WORDS: [&str; 5] = ["secret", "password", "privateKey", "token", "passphrase"];

/// Blots out what stands under names that sound like a secret's, and credentials in addresses. Members of these names are
/// left alone.
pub(super) fn blot(reader: Reader<'_>, room: Room, node: &Node, without: &[&str]) {
    look(reader, room, node, without, false);
}

fn look(reader: Reader<'_>, room: Room, node: &Node, without: &[&str], secret: bool) {
    match &node.kind {
        Kind::Map(members) => {
            for (key, inner) in members.iter().filter(|(key, _)| !without.contains(&&*key.name)) {
                look(reader, room, inner, &[], secret || sounds_secret(&key.name, room));
            }
        }
        Kind::List(items) => items.iter().for_each(|item| look(reader, room, item, &[], secret)),
        Kind::Scalar(_) => {
            let Some(text) = node.text() else { return };
            if secret && !is_meant_as_reference(text) {
                reader.blot(text);
            }
            let credentials = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
            if let Some((_, password)) = credentials.and_then(|(credentials, _)| credentials.split_once(':')) {
                reader.blot(&password.into());
            }
        }
    }
}

/// The same for a file that is no YAML: everything behind such a name up to the end of its line.
pub(super) fn blot_lines(reader: Reader<'_>, room: Room) {
    for line in reader.source.text.lines() {
        for (at, _) in line.match_indices(':') {
            let start = line[..at].rfind(['{', ',', ' ', '\t']).map_or(0, |before| before + 1);
            let (name, value) = (line[start..at].trim_matches(['"', '\'']), line[at + 1..].trim());
            if sounds_secret(name, room) && !is_meant_as_reference(value.trim_start_matches(['"', '\''])) {
                reader.blot(&value.into());
            }
        }
    }
}

/// Also one without a name: that is told as such.
fn is_meant_as_reference(text: &str) -> bool {
    ["env:", "file:"].iter().any(|scheme| text.starts_with(scheme))
}

/// Also when it is misspelt. `key` is a secret in `interlock.yaml` only: elsewhere it is an expression.
fn sounds_secret(name: &str, room: Room) -> bool {
    let lower = name.to_lowercase();
    let named = WORDS.iter().any(|word| lower.contains(&word.to_lowercase()));
    let misspelt = nearest(name, WORDS).is_some()
        // `client` and `clients` are names of their own.
        || (name.len() > "clients".len() && nearest(name, ["clientSecret"]).is_some());
    ((named || misspelt) && !lower.ends_with("url")) || (room == Room::Project && nearest(name, ["key"]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_even_when_misspelt() {
        for name in ["password", "passwort", "clientSecret", "client_secret", "clientSecrte", "privatKey", "tokn"] {
            assert!(sounds_secret(name, Room::Connections), "{name}");
        }
        for name in
            ["url", "tokenUrl", "username", "flow", "client", "clientId", "clientName", "apiVersion", "key", "timeout"]
        {
            assert!(!sounds_secret(name, Room::Connections), "{name}");
        }
        assert!(sounds_secret("key", Room::Project));
        for name in ["name", "clients", "users", "apis", "address", "events"] {
            assert!(!sounds_secret(name, Room::Project), "{name}");
        }
    }
}
