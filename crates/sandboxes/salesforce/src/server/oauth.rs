//! Signing in: the two OAuth flows that need no person.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use model::{Problem, json};
use sha2::{Digest as _, Sha256};

use crate::org::Org;
use crate::time;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Clock skew that the vendor allows, in seconds.
const SKEW: u64 = 180;

/// Why the token endpoint refuses: its word and its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Denied(&'static str, &'static str);

impl Denied {
    /// The body of the answer.
    pub(super) fn body(self) -> String {
        format!(r#"{{"error":"{}","error_description":"{}"}}"#, self.0, self.1)
    }
}

#[derive(serde::Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: Seconds,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Seconds since 1970; the vendor takes them as a text as well.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

impl Seconds {
    fn get(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// The key that assertions are verified with.
///
/// # Errors
/// `IL-SANDBOX-014` when it is none.
pub(super) fn public_key(pem: Option<&str>) -> Result<Option<DecodingKey>, Problem> {
    let read = |pem: &str| {
        DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| {
            Problem::new(
                "IL-SANDBOX-014",
                "the public key of the Salesforce sandbox is no RSA key in PEM",
                "Give the public key that belongs to the connection's private key, starting with `-----BEGIN PUBLIC KEY-----`",
            )
        })
    };
    pem.map(read).transpose()
}

/// Opens a session for what a form asks, with the client of the `Authorization: Basic` header when there is one. Answers the
/// body of the token endpoint.
///
/// # Errors
/// What the vendor says to one who may not come in.
pub(super) fn sign_in(
    org: &Org,
    key: Option<&DecodingKey>,
    form: &[(String, String)],
    basic: Option<&str>,
) -> Result<String, Denied> {
    let get = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    match get("grant_type") {
        JWT_BEARER => check_assertion(org, key, get("assertion"))?,
        "client_credentials" => {
            let decoded = basic.and_then(|basic| String::from_utf8(STANDARD.decode(basic.trim()).ok()?).ok());
            let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
            let (id, secret) = pair.unwrap_or((get("client_id"), get("client_secret")));
            if id != org.options.client_id {
                return Err(Denied("invalid_client_id", "client identifier invalid"));
            }
            if secret != org.options.client_secret {
                return Err(Denied("invalid_client", "invalid client credentials"));
            }
        }
        _ => return Err(Denied("unsupported_grant_type", "grant type not supported")),
    }
    Ok(opened(org))
}

fn check_assertion(org: &Org, key: Option<&DecodingKey>, assertion: &str) -> Result<(), Denied> {
    let Some(key) = key else { return Err(Denied("invalid_grant", "user hasn't approved this consumer")) };
    let mut validation = Validation::new(Algorithm::RS256);
    // The library knows numbers only, so that the time is compared below.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    // The audience is compared below: the org's own address is one as well.
    validation.validate_aud = false;
    let invalid = Denied("invalid_grant", "invalid assertion");
    let claims = jsonwebtoken::decode::<Claims>(assertion, key, &validation).map_err(|_| invalid)?.claims;
    let now = u64::try_from(time::now() / 1000).unwrap_or(0);
    let expires = claims.exp.get().ok_or(invalid)?;
    if expires.saturating_add(SKEW) < now {
        return Err(Denied("invalid_grant", "expired authorization code"));
    }
    if expires > now + 3600 + SKEW {
        return Err(invalid);
    }
    if claims.iss != org.options.client_id {
        return Err(Denied("invalid_client_id", "client identifier invalid"));
    }
    if claims.sub != org.options.username {
        return Err(Denied("invalid_grant", "user hasn't approved this consumer"));
    }
    let known = |audience: &str| {
        let audience = audience.trim_end_matches('/');
        ["https://login.salesforce.com", "https://test.salesforce.com", org.url.as_str()].contains(&audience)
    };
    let is_ours = match &claims.aud {
        Audience::One(one) => known(one),
        Audience::Many(many) => many.iter().any(|one| known(one)),
    };
    if is_ours { Ok(()) } else { Err(Denied("invalid_grant", "audience is invalid")) }
}

fn opened(org: &Org) -> String {
    let token = org.sign_in();
    let now = time::now();
    let identity = format!("{}/id/{}/{}", org.url, org.id, org.user);
    let signature = STANDARD.encode(Sha256::digest(format!("{identity}{now}")));
    let mut body = String::from(r#"{"access_token":"#);
    json::write_string(&token, &mut body);
    body.push_str(&format!(
        r#","signature":"{signature}","scope":"api","instance_url":"{}","id":"{identity}","token_type":"Bearer","issued_at":"{now}"}}"#,
        org.url
    ));
    body
}
