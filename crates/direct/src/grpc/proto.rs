//! Compiling an interface from its source, with what it imports.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use model::Value;
use prost_reflect::DescriptorPool;
use protox::Compiler;
use protox::file::{File, FileResolver, GoogleFileResolver};
use reqwest::Url;
use sha2::{Digest as _, Sha256};

use crate::Failure;
use crate::call::Attempt;

/// Most files that one interface imports.
const IMPORTS_MAX: usize = 64;

/// The sources that are at hand, and what was asked for besides.
struct Sources {
    texts: BTreeMap<String, Arc<str>>,
    missing: Arc<Mutex<Vec<String>>>,
}

impl FileResolver for Sources {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        path.to_str().map(str::to_owned)
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if let Some(text) = self.texts.get(name) {
            return File::from_source(name, text);
        }
        // The types that every compiler brings along.
        GoogleFileResolver::new().open_file(name).inspect_err(|_| {
            self.missing.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        })
    }
}

impl Attempt<'_> {
    /// The types of the interface at an endpoint.
    pub(super) async fn proto(&self, endpoint: &Value) -> Result<DescriptorPool, Failure> {
        let address = endpoint.as_str().or_else(|| endpoint.get("uri").as_str()).unwrap_or_default();
        let source = self.text(endpoint).await?;
        let key: [u8; 32] = Sha256::digest(format!("{address}\n{}", source.text)).into();
        if let Some(pool) = self.direct.protos.get(&key) {
            return Ok(pool);
        }
        let plain = address.split(['?', '#']).next().unwrap_or_default();
        let main = plain.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("main.proto").to_owned();
        let mut texts = BTreeMap::from([(main.clone(), source.text)]);
        loop {
            match compile(&main, texts.clone()).await? {
                Compiled::Pool(pool) => {
                    self.direct.protos.put(key, pool.clone());
                    return Ok(pool);
                }
                Compiled::Needs(names) => {
                    for name in names {
                        if texts.len() > IMPORTS_MAX {
                            let detail = format!("`{address}` imports more than {IMPORTS_MAX} files");
                            return Err(Failure::configuration(detail));
                        }
                        let text = self.imported(endpoint, address, &name).await?;
                        texts.insert(name, text);
                    }
                }
            }
        }
    }

    /// An imported file: beside the one that is called, or in a folder above it.
    async fn imported(&self, endpoint: &Value, address: &str, name: &str) -> Result<Arc<str>, Failure> {
        let mut last = None;
        for candidate in candidates(address, name) {
            let mut place = Value::object([("uri", candidate)]);
            if !endpoint.get("authentication").is_null() {
                place.set("authentication", endpoint.get("authentication").clone());
            }
            match self.text(&place).await {
                Ok(document) => return Ok(document.text),
                Err(failure) => last = Some(failure),
            }
        }
        let cause = last.and_then(|failure| failure.fault.detail).unwrap_or_else(|| "it is at no address".into());
        Err(Failure::configuration(format!("`{address}` imports `{name}`, which cannot be had: {cause}")))
    }
}

fn candidates(address: &str, name: &str) -> Vec<String> {
    // A name is a path below the place where the search begins, never an address of its own.
    if name.contains("://") || name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Vec::new();
    }
    match Url::parse(address) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            let above = ["", "../", "../../", "../../../"];
            let mut found: Vec<String> =
                above.iter().filter_map(|up| url.join(&format!("{up}{name}")).ok()).map(String::from).collect();
            found.dedup();
            found
        }
        _ => {
            let folder = address.rsplit_once('/').map_or("", |(folder, _)| folder);
            // Of `file:a/b/c.proto` the folders are `file:a/b`, `file:a` and the project's own.
            let (scheme, mut path) = match folder.strip_prefix("file:") {
                Some(path) => ("file:", path),
                None => ("", folder),
            };
            let mut found = Vec::new();
            while !path.is_empty() {
                found.push(format!("{scheme}{path}/{name}"));
                path = path.rsplit_once('/').map_or("", |(above, _)| above);
            }
            found.push(name.to_owned());
            found
        }
    }
}

enum Compiled {
    Pool(DescriptorPool),
    Needs(Vec<String>),
}

async fn compile(main: &str, texts: BTreeMap<String, Arc<str>>) -> Result<Compiled, Failure> {
    let main = main.to_owned();
    // A large interface takes long enough to be in the way of others.
    let work = tokio::task::spawn_blocking(move || {
        let missing = Arc::new(Mutex::new(Vec::new()));
        let mut compiler = Compiler::with_file_resolver(Sources { texts, missing: Arc::clone(&missing) });
        compiler.include_imports(true);
        match compiler.open_file(&main) {
            Ok(compiler) => Ok(Compiled::Pool(compiler.descriptor_pool())),
            Err(error) => {
                let names = std::mem::take(&mut *missing.lock().unwrap_or_else(PoisonError::into_inner));
                if names.is_empty() {
                    Err(format!("`{main}` is no proto that can be used: {error}"))
                } else {
                    Ok(Compiled::Needs(names))
                }
            }
        }
    });
    match work.await {
        Ok(compiled) => compiled.map_err(Failure::configuration),
        Err(error) => Err(Failure::configuration(format!("the proto cannot be compiled: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn imports_are_looked_for_beside_the_file_and_above() {
        assert_eq!(
            candidates("file:a/b/c.proto", "d/e.proto"),
            ["file:a/b/d/e.proto", "file:a/d/e.proto", "d/e.proto"]
        );
        assert_eq!(candidates("c.proto", "e.proto"), ["e.proto"]);
        assert_eq!(candidates("https://h/a/c.proto", "e.proto"), ["https://h/a/e.proto", "https://h/e.proto"]);
        for name in ["https://other/e.proto", "/etc/passwd", "../e.proto"] {
            assert!(candidates("https://h/a/c.proto", name).is_empty(), "{name}");
        }
    }
}
