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

/// Why a secret cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret `{reference}` cannot be read: {cause}")]
pub struct SecretError {
    /// The reference as it stands in the definition.
    pub reference: String,
    /// Why.
    pub cause: String,
}

/// Where secrets are looked up: `env:NAME` and `file:path` references.
pub trait Secrets: Send + Sync {
    /// The secret behind a reference.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    fn get(&self, reference: &str) -> Result<Secret, SecretError>;
}
