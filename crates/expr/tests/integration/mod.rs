//! The expressions of the reference integration, and data that they are tried on.

use std::fs;
use std::path::Path;

use expr::Expression;

mod data;
pub(crate) use data::{inputs, names};

/// Keys whose values are programs as they are, without `${ }`.
const KEYS: [&str; 11] = ["as", "input", "output", "only", "id", "key", "from", "read", "value", "businessKey", "in"];

/// Every expression in the YAML files, each once.
pub(crate) fn expressions() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integrations/quote-to-cash");
    let mut found = Vec::new();
    read(&root, &mut found);
    found.sort();
    found.dedup();
    found
}

fn read(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the reference integration").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            read(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&entry).expect("a text");
            found.extend(templates(&text));
            found.extend(programs(&text));
        }
    }
}

/// What stands in `${ … }`.
fn templates(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("${ ") {
        let mut depth = 0usize;
        for (offset, byte) in text.bytes().enumerate().skip(start + 1) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => continue,
            }
            if depth == 0 {
                found.push(text[start + 2..offset].trim().replace("''", "'"));
                break;
            }
        }
    }
    found
}

/// What stands behind a key that takes a program.
fn programs(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        for key in KEYS {
            for (start, matched) in line.match_indices(&format!("{key}: ")) {
                let before = line[..start].chars().next_back();
                if !before.is_none_or(|before| matches!(before, ' ' | '{')) {
                    continue;
                }
                let rest = line[start + matched.len()..].trim();
                let program = match rest.strip_prefix('\'') {
                    Some(quoted) => quoted.split('\'').next().unwrap_or_default().to_owned(),
                    None if rest == "|" => {
                        let indent = |line: &str| line.len() - line.trim_start().len();
                        let block = lines[index + 1..].iter();
                        let block = block.take_while(|next| next.trim().is_empty() || indent(next) > indent(line));
                        block.copied().collect::<Vec<_>>().join("\n")
                    }
                    None if line[..start].contains('{') => rest.split([',', '}']).next().unwrap_or_default().to_owned(),
                    None => rest.split(" #").next().unwrap_or_default().to_owned(),
                };
                let is_program = program.contains(['.', '$', '{', '|']) && !program.contains("${");
                // `key` and `read` take plain names in other places.
                if is_program && Expression::compile_with(&program, &names(&program)).is_ok() {
                    found.push(program.trim().to_owned());
                }
            }
        }
    }
    found
}
