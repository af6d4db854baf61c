//! `run: script` and `run: shell`: what the deployment allows, and nothing else.

use std::path::Path;
use std::time::Duration;

use direct::{Direct, Failure, Options, Processes};
use model::Value;
use workflow::Protocol;

use crate::support::{direct, stand_ins, told, value, with};

fn allowing(shell: &[&str], scripts: &[(&str, &[&str])]) -> Processes {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Processes {
        shell: words(shell),
        scripts: scripts.iter().map(|(language, command)| ((*language).to_owned(), words(command))).collect(),
        timeout: Duration::from_secs(20),
        ..Processes::default()
    }
}

fn running(shell: &[&str], scripts: &[(&str, &[&str])]) -> Direct {
    with(Options { processes: allowing(shell, scripts), ..Options::default() })
}

async fn shell(direct: &Direct, text: &str) -> Result<Value, Failure> {
    direct.perform(Protocol::Shell, &value(text), "").await
}

async fn script(direct: &Direct, text: &str) -> Result<Value, Failure> {
    direct.perform(Protocol::Script, &value(text), "").await
}

#[tokio::test]
async fn only_what_is_allowed_by_name_is_run() {
    let nothing = direct();
    let failure = shell(&nothing, r#"{"shell":{"command":"echo hello"}}"#).await.expect_err("not allowed");
    assert_eq!((told(&failure).0, told(&failure).1), (403, "authorization"));
    assert!(told(&failure).2.contains("`echo`") && told(&failure).2.contains("direct.shell"), "{failure}");
    let failure = script(&nothing, r#"{"script":{"language":"js","code":"1"}}"#).await.expect_err("not allowed");
    assert_eq!((told(&failure).0, told(&failure).1), (403, "authorization"));
    assert!(told(&failure).2.contains("`js`") && told(&failure).2.contains("direct.scripts"), "{failure}");

    let some = running(&["echo"], &[]);
    assert_eq!(shell(&some, r#"{"shell":{"command":"echo hello"}}"#).await, Ok(Value::from("hello")));
    for command in ["cat /etc/hostname", "/bin/echo x", "sh -c 'echo x'", "echo; cat"] {
        let failure = shell(&some, &format!(r#"{{"shell":{{"command":"{command}"}}}}"#)).await.expect_err(command);
        assert_eq!(told(&failure).1, "authorization", "{failure}");
    }
    let any = running(&["*"], &[]);
    assert_eq!(shell(&any, r#"{"shell":{"command":"printf %s-%s a b"}}"#).await, Ok(Value::from("a-b")));
}

#[tokio::test]
async fn without_a_shell_nothing_of_a_command_is_interpreted() {
    let direct = running(&["printf"], &[]);
    let command = r#"{"shell":{"command":"printf '%s|' \"a b\" $HOME *","arguments":["x; y","$(id)"]}}"#;
    assert_eq!(shell(&direct, command).await, Ok(Value::from("a b|$HOME|*|x; y|$(id)|")));
    for command in ["printf a | cat", "printf a > file", "printf $(id)", "A=1 printf a", "printf a && printf b"] {
        let failure = shell(&direct, &format!(r#"{{"shell":{{"command":"{command}"}}}}"#)).await.expect_err(command);
        assert_eq!(told(&failure).1, "authorization", "{failure}");
        assert!(told(&failure).2.contains("shell"), "{failure}");
    }
    for command in ["", "printf 'open"] {
        let failure = shell(&direct, &format!(r#"{{"shell":{{"command":"{command}"}}}}"#)).await.expect_err(command);
        assert_eq!(told(&failure).1, "configuration", "{failure}");
    }
    let options = r#"{"shell":{"command":"printf %s,","arguments":{"name":"x y","all":null}}}"#;
    assert_eq!(shell(&direct, options).await, Ok(Value::from("--name=x y,--all,")));
}

/// The standard's own example.
#[tokio::test]
async fn with_a_shell_allowed_commands_are_given_to_it() {
    let direct = running(&["sh"], &[]);
    let example = r#"{"shell":{"stdin":"Hello World","arguments":["Foo","Bar"],
        "command":"input=$(cat)\necho \"STDIN was: $input\"\necho \"ARGS are $1 $2\"\n"}}"#;
    assert_eq!(shell(&direct, example).await, Ok(Value::from("STDIN was: Hello World\nARGS are Foo Bar")));
}

#[tokio::test]
async fn the_environment_is_what_is_given_and_the_path() {
    let direct = running(&["env"], &[]);
    let given =
        shell(&direct, r#"{"shell":{"command":"env","environment":{"FOO":"bar","N":7}}}"#).await.expect("an output");
    let mut names: Vec<&str> =
        given.as_str().expect("a text").lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["FOO", "N", "PATH"]);
    let failure = shell(&direct, r#"{"shell":{"command":"env","environment":{"LD_PRELOAD":"x.so"}}}"#).await;
    assert_eq!(told(&failure.expect_err("refused")).1, "authorization");
    // A path of the workflow's own does not decide what a name means.
    let elsewhere = tempfile::tempdir().expect("a folder");
    std::fs::copy("/bin/false", elsewhere.path().join("env")).expect("a program");
    let text = format!(r#"{{"shell":{{"command":"env","environment":{{"PATH":"{}"}}}}}}"#, elsewhere.path().display());
    assert!(shell(&direct, &text).await.is_ok());
}

#[tokio::test]
async fn scripts_get_their_arguments_input_and_environment() {
    let direct = running(&[], &[("javascript", &["sh", "-e"])]);
    let text = r#"{"script":{"language":"js","code":"cat; echo \" $1 $2 $FOO\"","stdin":{"a":1},"arguments":["x y",2],
                   "environment":{"FOO":"bar"}}}"#;
    assert_eq!(script(&direct, text).await, Ok(Value::from(r#"{"a":1} x y 2 bar"#)));

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("hello.sh"), "echo from a file in $(ls)").expect("a file");
    let direct = with(Options {
        folder: folder.path().to_owned(),
        processes: allowing(&[], &[("sh", &["sh"])]),
        ..Options::default()
    });
    let text = r#"{"script":{"language":"sh","source":{"endpoint":{"uri":"hello.sh"}}}}"#;
    assert_eq!(script(&direct, text).await, Ok(Value::from("from a file in hello.sh")));
    let failure = script(&direct, r#"{"script":{"language":"sh"}}"#).await.expect_err("nothing to run");
    assert_eq!(told(&failure).1, "configuration");
}

#[tokio::test]
async fn each_form_of_output_is_given_and_a_failure_is_an_error_unless_it_is_asked_for() {
    let direct = running(&["sh"], &[]);
    let both = |code: u8, more: &str| {
        format!(r#"{{"shell":{{"command":"echo out; echo; echo err >&2; exit {code}"}}{more}}}"#)
    };
    for (more, expected) in [
        ("", r#""out\n""#),
        (r#","return":"stdout""#, r#""out\n""#),
        (r#","return":"stderr""#, r#""err""#),
        (r#","return":"code""#, "0"),
        (r#","return":"none""#, "null"),
        (r#","return":"all""#, r#"{"code":0,"stdout":"out\n","stderr":"err"}"#),
    ] {
        let given = shell(&direct, &both(0, more)).await;
        assert_eq!(given.map(|value| value.to_string()).as_deref(), Ok(expected), "{more}");
    }
    assert_eq!(shell(&direct, &both(3, r#","return":"code""#)).await, Ok(Value::from(3)));
    assert_eq!(shell(&direct, &both(3, r#","return":"all""#)).await.expect("all").get("code"), &Value::from(3));
    for more in ["", r#","return":"stderr""#, r#","return":"none""#] {
        let failure = shell(&direct, &both(3, more)).await.expect_err("failed");
        assert_eq!((told(&failure).0, told(&failure).1), (500, "runtime"));
        assert!(told(&failure).2.ends_with("ended with the code 3: err"), "{failure}");
        assert_eq!(failure.fault.data, value(r#"{"code":3,"stdout":"out\n","stderr":"err"}"#));
    }
    let failure = shell(&direct, &both(0, r#","return":"half""#)).await.expect_err("no such form");
    assert_eq!(told(&failure).1, "configuration");
}

/// Whether a process is there and not only waiting to be counted.
fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn written(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

#[tokio::test]
async fn what_takes_too_long_is_killed_with_its_children() {
    let folder = tempfile::tempdir().expect("a folder");
    let direct = with(Options {
        folder: folder.path().to_owned(),
        processes: Processes { timeout: Duration::from_secs(2), ..allowing(&["sh"], &[]) },
        ..Options::default()
    });
    let text = r#"{"shell":{"command":"sleep 60 & echo $! > child; wait"}}"#;
    let failure = shell(&direct, text).await.expect_err("too long");
    assert_eq!((told(&failure).0, told(&failure).1, failure.may_have_happened), (408, "timeout", true));
    let child = written(&folder.path().join("child"));
    assert!(!child.is_empty());
    eventually("the child of the process is gone", || !alive(&child)).await;
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let direct =
        with(Options { folder: folder.path().to_owned(), processes: allowing(&["sh"], &[]), ..Options::default() });
    let file = folder.path().join("child");
    let call = value(r#"{"shell":{"command":"sleep 60 & echo $! > child; wait"}}"#);
    tokio::select! {
        ended = direct.perform(Protocol::Shell, &call, "") => panic!("it ended: {ended:?}"),
        () = eventually("the process has started", || !written(&file).trim().is_empty()) => {}
    }
    let child = written(&file);
    eventually("the child of the process is gone", || !alive(&child)).await;
}

#[tokio::test]
async fn output_is_bounded_and_children_left_behind_do_not_hold_it_open() {
    let direct =
        with(Options { processes: Processes { output_max: 1000, ..allowing(&["sh"], &[]) }, ..Options::default() });
    for stream in ["1", "2"] {
        let text = format!(r#"{{"shell":{{"command":"while :; do echo yes >&{stream}; done"}}}}"#);
        let failure = shell(&direct, &text).await.expect_err("too much");
        assert_eq!(told(&failure).1, "runtime");
        assert!(told(&failure).2.contains("1000 bytes"), "{failure}");
    }
    let left = r#"{"shell":{"command":"sleep 60 & echo done"}}"#;
    assert_eq!(shell(&direct, left).await, Ok(Value::from("done")));
}

#[tokio::test]
async fn without_await_it_is_started_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let direct =
        with(Options { folder: folder.path().to_owned(), processes: allowing(&["sh"], &[]), ..Options::default() });
    let text = r#"{"shell":{"command":"cat > got; while [ ! -e go ]; do sleep 0.01; done; echo x > done","stdin":"in"},"await":false}"#;
    assert_eq!(shell(&direct, text).await, Ok(Value::Null));
    std::fs::write(folder.path().join("go"), "").expect("a file");
    eventually("the process has gone on", || folder.path().join("done").exists()).await;
    assert_eq!(written(&folder.path().join("got")), "in");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_configuration_error() {
    let direct = running(&["*"], &[("js", &["no-such-program"])]);
    for given in [
        shell(&direct, r#"{"shell":{"command":"no-such-program"}}"#).await,
        shell(&direct, r#"{"shell":{"command":"/no/such/program"}}"#).await,
        script(&direct, r#"{"script":{"language":"js","code":""}}"#).await,
    ] {
        let failure = given.expect_err("not there");
        assert_eq!((told(&failure).1, failure.may_have_happened), ("configuration", false));
    }
}

#[tokio::test]
async fn secrets_reach_processes_and_not_their_faults() {
    let secrets = stand_ins(&[("key", "s3cret key")]);
    let key = secrets.expression_value().get("key").as_str().expect("a text").to_owned();
    let direct = with(Options { secrets, processes: allowing(&["printf"], &[("sh", &["sh"])]), ..Options::default() });
    let text = format!(r#"{{"shell":{{"command":"printf %s, '{key}'","arguments":["{key}"]}}}}"#);
    assert_eq!(shell(&direct, &text).await, Ok(Value::from("s3cret key,s3cret key,")));
    let text = format!(
        r#"{{"script":{{"language":"sh","code":"echo $KEY; cat; echo $KEY >&2; exit 1","stdin":"{key}","environment":{{"KEY":"{key}"}}}}}}"#
    );
    let failure = script(&direct, &text).await.expect_err("failed");
    let told = format!("{failure} {failure:?}");
    assert!(!told.contains("s3cret") && told.contains("***"), "{told}");
}
