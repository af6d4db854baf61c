//! The reference integration that comes with the program, and writing a copy of it.

use std::fs;
use std::io;
use std::path::Path;

use include_dir::{Dir, DirEntry, include_dir};
use model::Problem;

static QUOTE_TO_CASH: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../integrations/quote-to-cash");
static MASTER_DATA: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../integrations/master-data");

/// A reference integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Integration {
    /// From the accepted quote in Salesforce to the paid order in S/4HANA.
    #[default]
    QuoteToCash,
    /// Customers, kept the same in both systems.
    MasterData,
}

impl Integration {
    /// Its name, which is the name of its folder.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::QuoteToCash => "quote-to-cash",
            Self::MasterData => "master-data",
        }
    }

    fn files(self) -> &'static Dir<'static> {
        match self {
            Self::QuoteToCash => &QUOTE_TO_CASH,
            Self::MasterData => &MASTER_DATA,
        }
    }
}

/// Writes a copy of a reference integration. Gives the number of files.
///
/// # Errors
/// When the folder has something in it already, or cannot be written.
pub(crate) fn write(folder: &Path, integration: Integration) -> Result<usize, Problem> {
    let failed = |error: &io::Error| {
        let message = format!("{} cannot be written: {error}", folder.display());
        Problem::new("IL-NEW-002", message, "Choose a folder that you may write to, on a disk with some space")
    };
    match fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                let message = format!("{} is not empty", folder.display());
                return Err(Problem::new("IL-NEW-001", message, "Give the name of a new folder, or of an empty one"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&error)),
    }
    copy(integration.files(), folder).map_err(|error| failed(&error))
}

fn copy(from: &Dir<'_>, to: &Path) -> io::Result<usize> {
    fs::create_dir_all(to)?;
    let mut files = 0;
    for entry in from.entries() {
        let Some(name) = entry.path().file_name() else { continue };
        match entry {
            DirEntry::Dir(folder) => files += copy(folder, &to.join(name))?,
            DirEntry::File(file) => {
                fs::write(to.join(name), file.contents())?;
                files += 1;
            }
        }
    }
    Ok(files)
}

/// `interlock new`.
///
/// # Errors
/// As [`write`].
pub(crate) fn new(folder: &Path, integration: Integration) -> Result<(), Problem> {
    let files = write(folder, integration)?;
    let name = folder.display();
    let what = match integration {
        Integration::QuoteToCash => "from quote to cash",
        Integration::MasterData => "for master data in two systems",
    };
    println!(
        "{name}: {files} files, the reference integration {what}.\n\n\
         What is next:\n  \
         1. Read interlock.yaml and connections/*.yaml: they name the environment variables that hold addresses and secrets.\n  \
         2. interlock check {name}   shows every mistake with its place\n  \
         3. interlock run {name}     runs it\n\n\
         To see it at work between simulated systems first: interlock demo"
    );
    Ok(())
}
