//! Where the running Interlock is, and the token that says who asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use connect::{Secret, Secrets as _};
use model::Problem;
use reqwest::Url;

use super::client::Client;
use crate::environment::{Environment, ProjectSecrets};
use crate::failure::Failure;

/// The variable that says where the console is.
const URL_VARIABLE: &str = "INTERLOCK_URL";
/// The variable that holds the token.
const TOKEN_VARIABLE: &str = "INTERLOCK_TOKEN";

/// Which Interlock is meant, and as whom it is asked. The token comes from the environment variable INTERLOCK_TOKEN or from a
/// file, never from the command line, which others can read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which Interlock, and as whom")]
pub(crate) struct ServerArgs {
    /// Where the console is, such as http://127.0.0.1:8081; INTERLOCK_URL when not given, or else the project says it.
    #[arg(long, value_name = "URL", global = true)]
    url: Option<String>,
    /// The folder of the project whose interlock.yaml says where the console is; the current folder when not given.
    #[arg(long, value_name = "FOLDER", global = true)]
    project: Option<PathBuf>,
    /// A file with lines NAME=VALUE that are used as environment variables.
    #[arg(long, value_name = "FILE", global = true)]
    environment: Option<PathBuf>,
    /// A file that holds a user's access token; INTERLOCK_TOKEN when not given.
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Prints JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl ServerArgs {
    /// A client of the Interlock that is meant. Nothing is sent.
    ///
    /// # Errors
    /// When it is not known where it is, or there is no token.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let environment = self.variables()?;
        let url = self.place(&environment).map_err(Failure::Wrong)?;
        let token = self.token(environment).map_err(Failure::Wrong)?;
        Ok(Client::new(url, token)?)
    }

    /// The folder of the project.
    pub(crate) fn folder(&self) -> &Path {
        self.project.as_deref().unwrap_or(Path::new("."))
    }

    /// The variables that are given.
    ///
    /// # Errors
    /// When their file cannot be read.
    pub(crate) fn variables(&self) -> Result<Environment, Failure> {
        Environment::read(self.environment.as_deref()).map_err(Failure::Wrong)
    }

    fn place(&self, environment: &Environment) -> Result<Url, Problem> {
        if let Some(url) = &self.url {
            return parsed(url, "--url");
        }
        if let Some(folder) = &self.project {
            return of_project(folder, environment);
        }
        if let Some(url) = environment.get(URL_VARIABLE).filter(|url| !url.is_empty()) {
            return parsed(&url, URL_VARIABLE);
        }
        let here = Path::new(".");
        if here.join("interlock.yaml").is_file() {
            return of_project(here, environment);
        }
        let remedy = format!("Give it: --url URL, --project FOLDER or the environment variable {URL_VARIABLE}");
        Err(Problem::new("IL-OPS-001", "it is not known where Interlock runs", remedy))
    }

    fn token(&self, environment: Environment) -> Result<Secret, Problem> {
        let reference = match &self.token_file {
            Some(file) => format!("file:{}", file.display()),
            None => format!("env:{TOKEN_VARIABLE}"),
        };
        let secrets = ProjectSecrets { folder: ".".into(), environment };
        let token = secrets.get(&reference).map_err(|error| {
            let remedy = format!("Put a user's access token into {TOKEN_VARIABLE}, or into a file: --token-file FILE");
            Problem::new("IL-OPS-002", format!("there is no access token: {error}"), remedy)
        })?;
        if token.expose().bytes().any(|byte| !(0x20..0x7f).contains(&byte)) {
            let message = "the access token holds characters that no token has, such as a line break";
            return Err(Problem::new("IL-OPS-002", message, "Give the token alone, on one line"));
        }
        Ok(token)
    }
}

fn parsed(text: &str, option: &str) -> Result<Url, Problem> {
    let wrong = |what: &str| {
        let remedy = format!("Write the console's address after {option}, such as http://127.0.0.1:8081");
        Problem::new("IL-OPS-001", format!("this is no address of a console: {what}"), remedy)
    };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("it is neither http:// nor https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a user or a password"));
    }
    Ok(url)
}

/// Where the console of a project is reached from this machine.
fn of_project(folder: &Path, environment: &Environment) -> Result<Url, Problem> {
    let Some(address) = definitions::console_address(folder, &|name| environment.get(name))? else {
        let message = format!("the project in {} has no console", folder.display());
        return Err(Problem::new("IL-OPS-001", message, "Set `listeners.console.address` in interlock.yaml"));
    };
    if address.port() == 0 {
        let message = format!("the console of the project in {} takes any free port", folder.display());
        return Err(Problem::new("IL-OPS-001", message, "Give the address that it printed when it started: --url URL"));
    }
    parsed(&format!("http://{}", reachable(address)), "--url")
}

/// What listens on every address of a machine is reached on its own one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_before_anything_is_sent_there() {
        assert_eq!(parsed("http://127.0.0.1:8081", "--url").expect("right").port(), Some(8081));
        for wrong in ["127.0.0.1:8081", "ftp://host", "http://user:secret@host", "nothing", ""] {
            let told = parsed(wrong, "--url").expect_err(wrong).to_string();
            assert!(told.contains("--url") && !told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn what_listens_everywhere_is_reached_here() {
        let reached = |text: &str| reachable(text.parse().expect("an address")).to_string();
        assert_eq!(reached("0.0.0.0:8081"), "127.0.0.1:8081");
        assert_eq!(reached("[::]:8081"), "[::1]:8081");
        assert_eq!(reached("10.0.0.7:80"), "10.0.0.7:80");
    }
}
