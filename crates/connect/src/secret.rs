//! Secrets: looked up by reference, never printed.

use std::fmt;

/// A secret text that no formatter prints.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself: only where it goes onto the wire or into a signature.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(***)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Best effort without unsafe code: the buffer is overwritten before it is freed.
        let length = self.0.len();
        self.0.clear();
        self.0.extend(std::iter::repeat_n('\0', length));
    }
}

/// Whether a text refers to a secret (`env:NAME` or `file:path`), and is not one itself.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("env:").or_else(|| text.strip_prefix("file:"));
    name.is_some_and(|name| !name.trim().is_empty())
}

/// Why a secret cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: {cause}")]
pub struct SecretError {
    what: String,
    cause: String,
}

impl SecretError {
    /// Names the reference, unless it is none: then it is probably the secret itself.
    #[must_use]
    pub fn new(reference: &str, cause: impl Into<String>) -> Self {
        let what = if is_reference(reference) {
            format!("the secret `{reference}`")
        } else {
            "a secret that is not given as `env:NAME` or `file:path`".to_owned()
        };
        Self { what, cause: cause.into() }
    }
}

/// Where secrets are looked up: `env:NAME` and `file:path` references.
pub trait Secrets: Send + Sync {
    /// The secret behind a reference.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    fn get(&self, reference: &str) -> Result<Secret, SecretError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_scheme_and_a_name() {
        for reference in ["env:ERP_PASSWORD", "file:secrets/erp"] {
            assert!(is_reference(reference), "{reference}");
            assert!(SecretError::new(reference, "it is not there").to_string().contains(reference));
        }
        for text in ["hunter2", "env:", "file: ", "ENV:NAME", "vault:hunter2", ""] {
            assert!(!is_reference(text), "{text}");
        }
    }

    #[test]
    fn a_secret_in_place_of_a_reference_is_not_shown() {
        for planted in ["hunter2", "vault:hunter2"] {
            let error = SecretError::new(planted, "it is no reference");
            for told in [error.to_string(), format!("{error:?}"), format!("{:?}", Secret::new(planted.to_owned()))] {
                assert!(!told.contains("hunter2"), "{told}");
            }
        }
    }
}
