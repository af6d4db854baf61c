//! Digest authentication (RFC 7616): MD5 and SHA-256, with `qop=auth` or without.

use std::fmt::Write as _;

use md5::Md5;
use reqwest::Url;
use sha2::Sha256;
use sha2::digest::Digest;

use crate::Failure;
use crate::http::Outgoing;

/// Most parameters of one challenge.
const PARAMETERS_MAX: usize = 32;

/// What a server asks for.
#[derive(Debug, Default)]
struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Option<String>,
    qop: Option<String>,
    userhash: bool,
}

/// Whether a header `www-authenticate` asks for a digest.
pub(super) fn is_challenge(text: &str) -> bool {
    text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("digest "))
}

/// The header `authorization` that answers the best of the challenges.
pub(super) fn answer<'c>(
    challenges: impl Iterator<Item = &'c str>,
    username: &str,
    password: &str,
    outgoing: &Outgoing,
) -> Result<String, Failure> {
    let known: Vec<Challenge> = challenges
        .filter(|text| is_challenge(text))
        .map(|text| Challenge::read(&text[7..]))
        .filter(|challenge| challenge.hash().is_some())
        .collect();
    // Servers list the algorithm they like best first, but an old one may only know the weaker.
    let best = known.iter().find(|challenge| challenge.is_sha256()).or_else(|| known.first());
    let challenge = best.ok_or_else(|| {
        Failure::configuration(format!(
            "{} asks for a digest that is not served here: MD5 and SHA-256 are, with `qop=auth`",
            outgoing.name()
        ))
    })?;
    let nonce = uuid::Uuid::now_v7().simple().to_string();
    challenge
        .answer(username, password, outgoing.method.as_str(), &target(&outgoing.url), &nonce)
        .ok_or_else(|| Failure::configuration("the digest cannot be made"))
}

fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

impl Challenge {
    fn read(text: &str) -> Self {
        let mut challenge = Self::default();
        for (name, value) in parameters(text) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => challenge.realm = value,
                "nonce" => challenge.nonce = value,
                "opaque" => challenge.opaque = Some(value),
                "algorithm" => challenge.algorithm = Some(value),
                "qop" => challenge.qop = Some(value),
                "userhash" => challenge.userhash = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        challenge
    }

    /// The algorithm without `-sess`.
    fn base(&self) -> &str {
        let name = self.algorithm.as_deref().unwrap_or("MD5");
        match name.len().checked_sub(5).and_then(|at| Some((name.get(..at)?, name.get(at..)?))) {
            Some((base, end)) if end.eq_ignore_ascii_case("-sess") => base,
            _ => name,
        }
    }

    fn is_session(&self) -> bool {
        self.algorithm.as_deref().is_some_and(|name| name.len() > self.base().len())
    }

    fn is_sha256(&self) -> bool {
        self.base().eq_ignore_ascii_case("SHA-256")
    }

    fn qop_is_auth(&self) -> bool {
        self.qop.as_deref().is_some_and(|qop| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth")))
    }

    fn hash(&self) -> Option<fn(&str) -> String> {
        if self.qop.is_some() && !self.qop_is_auth() {
            return None;
        }
        match self.base() {
            name if name.eq_ignore_ascii_case("SHA-256") => Some(hex::<Sha256>),
            name if name.eq_ignore_ascii_case("MD5") => Some(hex::<Md5>),
            _ => None,
        }
    }

    /// RFC 7616, section 3.4.
    fn answer(&self, username: &str, password: &str, method: &str, target: &str, own_nonce: &str) -> Option<String> {
        const COUNT: &str = "00000001";
        let hash = self.hash()?;
        let mut first = hash(&format!("{username}:{}:{password}", self.realm));
        if self.is_session() {
            first = hash(&format!("{first}:{}:{own_nonce}", self.nonce));
        }
        let second = hash(&format!("{method}:{target}"));
        let response = if self.qop_is_auth() {
            hash(&format!("{first}:{}:{COUNT}:{own_nonce}:auth:{second}", self.nonce))
        } else {
            hash(&format!("{first}:{}:{second}", self.nonce))
        };
        let name = if self.userhash { hash(&format!("{username}:{}", self.realm)) } else { username.to_owned() };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut header = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{target}\", response=\"{response}\"",
            quoted(&name),
            quoted(&self.realm),
            quoted(&self.nonce)
        );
        // Writing to a String cannot fail.
        if let Some(algorithm) = &self.algorithm {
            let _ = write!(header, ", algorithm={algorithm}");
        }
        if self.qop_is_auth() {
            let _ = write!(header, ", qop=auth, nc={COUNT}, cnonce=\"{own_nonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(header, ", opaque=\"{}\"", quoted(opaque));
        }
        if self.userhash {
            header.push_str(", userhash=true");
        }
        Some(header)
    }
}

fn hex<D: Digest>(text: &str) -> String {
    D::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `name=value` and `name="value"`, separated by commas.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while found.len() < PARAMETERS_MAX
        && let Some((name, after)) = rest.split_once('=')
    {
        let after = after.trim_start();
        let (value, end) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, length) = unquote(quoted);
                (value, length + 1)
            }
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim().to_owned(), end)
            }
        };
        found.push((name.trim().to_owned(), value));
        rest = after.get(end..).unwrap_or_default().trim_start_matches([',', ' ', '\t']);
    }
    found
}

/// A text up to its closing quote, and how many bytes that took.
fn unquote(text: &str) -> (String, usize) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return (value, at + 1),
            character => {
                escaped = false;
                value.push(character);
            }
        }
    }
    (value, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616, section 3.9.1.
    const CHALLENGE: &str = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=ALGORITHM, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    #[test]
    fn answers_as_in_the_rfc() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = Challenge::read(&CHALLENGE.replace("ALGORITHM", algorithm));
            let own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let header =
                challenge.answer("Mufasa", "Circle of Life", "GET", "/dir/index.html", own).expect("an answer");
            assert!(header.contains(&format!("response=\"{response}\"")), "{header}");
            assert!(header.contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""), "{header}");
        }
    }

    #[test]
    fn a_challenge_is_read_with_its_quotes() {
        let read = Challenge::read("realm=\"a \\\"b\\\", c\", nonce=x , algorithm=SHA-256-sess,qop=auth");
        assert_eq!((read.realm.as_str(), read.nonce.as_str()), ("a \"b\", c", "x"));
        assert!(read.is_session() && read.is_sha256() && read.qop_is_auth());
        assert!(Challenge::read("algorithm=SHA-512-256").hash().is_none());
        assert!(Challenge::read("qop=auth-int").hash().is_none());
        assert!(is_challenge("DIGEST realm=\"\"") && !is_challenge("Basic realm=\"\""));
    }
}
