//! `hetero run fetch`, and URLs as inputs of the other workloads: options, outputs, errors and exit codes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hetero::net::loopback::{self, Files};
use serde_json::Value;

use crate::server::{Server, localhost, path, send};
use crate::support::{data, hetero, run};

/// A few files and what is not there.
fn server() -> Server {
    Server::start(|head, _, peer| match path(head).split('?').next().unwrap_or("") {
        "/missing" => send(peer, "404 Not Found", "", b""),
        "/dir/a.txt" => send(peer, "200 OK", "", b"first"),
        "/other/a.txt" => send(peer, "200 OK", "", b"second"),
        other => send(peer, "200 OK", "", format!("file {other}").as_bytes()),
    })
}

fn report(args: &[&str]) -> (i32, Value, String) {
    let (code, stdout, stderr) = run(&[&["run", "fetch", "--json"][..], args].concat());
    (code, serde_json::from_str(&stdout).unwrap_or(Value::Null), stderr)
}

#[test]
fn without_a_url_the_modes_are_compared_on_a_server_of_our_own() {
    let (code, report, stderr) = report(&["--count", "30", "--latency", "5ms", "--size", "2000"]);
    assert_eq!(code, 0, "{stderr}");
    let result = &report["result"];
    assert_eq!((&result["urls"], &result["bytes"], &result["failed"]), (&30.into(), &60_000.into(), &0.into()));
    let seconds = |mode: &str| result["modes"][mode]["seconds"].as_f64().unwrap();
    assert!(seconds("seq") > 0.150, "30 waits of 5 ms, one after the other");
    assert!(seconds("async") > 0.005 && seconds("threads") > 0.005);
    assert_eq!(report["runs"].as_array().unwrap().len(), 1, "no baselines: the backends wait alike");
    assert_eq!(report["runs"][0]["seconds"]["n"], 1);
    assert_eq!(report["runs"][0]["verify"]["status"], "pass");
    assert!(report["input"]["source"].as_str().unwrap().contains("own server on loopback"));
}

#[test]
fn a_folder_gets_a_file_for_each_url_and_failures_are_named() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("urls.txt");
    std::fs::write(
        &list,
        format!("# some files\n{}\n\n  {} # the second\n", server.url("/other/a.txt"), server.url("/x?y=1")),
    )
    .unwrap();
    let output = folder.path().join("out");
    let (code, report, stderr) = report(&[
        &server.url("/dir/a.txt"),
        &server.url("/missing"),
        "--urls",
        list.to_str().unwrap(),
        "--mode",
        "async",
        "--output",
        output.to_str().unwrap(),
    ]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("/missing: the server answered 404 Not Found (1 of 4 failed, 3 delivered)"), "{stderr}");
    assert_eq!(report["result"]["failed"], 1);
    assert_eq!(report["result"]["failures"][0]["url"], server.url("/missing"));
    let read = |name: &str| std::fs::read_to_string(output.join(name)).unwrap();
    assert_eq!((read("a.txt"), read("a-2.txt"), read("x")), ("first".into(), "second".into(), "file /x".into()));
    let manifest = read("manifest.csv");
    assert_eq!(manifest.lines().count(), 5, "{manifest}");
    // SHA-256 of "first", by another program.
    assert!(
        manifest.contains(",200,5,")
            && manifest.contains("a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"),
        "{manifest}"
    );
    assert_eq!(std::fs::read_dir(&output).unwrap().count(), 4, "nothing for the one that failed");
    assert_eq!(server.requests().len(), 4, "each URL once");
}

#[test]
fn nothing_is_fetched_more_often_than_asked() {
    let count = |args: &[&str]| {
        let server = server();
        let url = server.url("/a");
        let (code, _, stderr) = run(&[&["run", "fetch", &url][..], args].concat());
        assert_eq!(code, 0, "{stderr}");
        server.requests().len()
    };
    assert_eq!(count(&["--mode", "seq"]), 1);
    assert_eq!(count(&["--mode", "threads"]), 1);
    assert_eq!(count(&["--mode", "async", "--backend", "seq"]), 1);
    assert_eq!(count(&["--mode", "async", "--runs", "2"]), 2);
    assert_eq!(count(&["--mode", "async", "--verify-twice"]), 2);
    assert_eq!(count(&[]), 3);
    let server = server();
    let (code, _, stderr) = run(&["explain", "fetch", &server.url("/a")]);
    assert_eq!((code, server.requests().len()), (0, 0), "{stderr}");
}

#[test]
fn a_list_of_results_is_csv_or_json() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let url = server.url("/dir/a.txt");
    for name in ["list.csv", "list.json"] {
        let path = folder.path().join(name);
        let (code, _, stderr) = run(&["run", "fetch", &url, "--mode", "seq", "-o", path.to_str().unwrap()]);
        assert_eq!(code, 0, "{stderr}");
    }
    let csv = std::fs::read_to_string(folder.path().join("list.csv")).unwrap();
    assert!(csv.starts_with("url,status,bytes,seconds,sha256,error\nhttp://127.0.0.1:"), "{csv}");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(folder.path().join("list.json")).unwrap()).unwrap();
    assert_eq!((&json[0]["status"], &json[0]["bytes"], &json[0]["error"]), (&200.into(), &5.into(), &Value::Null));
}

#[test]
fn changing_contents_are_noticed() {
    let server = Server::start(|_, number, peer| send(peer, "200 OK", "", format!("{number}").as_bytes()));
    let url = server.url("/now");
    let (code, _, stderr) = run(&["run", "fetch", &url, "--mode", "async", "--verify-twice"]);
    assert_eq!(code, 8, "{stderr}");
    assert!(stderr.contains("other bytes the second time"), "{stderr}");
    let (code, report, stderr) = report(&[&url]);
    assert_eq!(code, 0, "{stderr}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("other bytes in another mode") && warnings.contains("fetched 3 times"), "{warnings}");
}

#[test]
fn wrong_uses_are_told_before_anything_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("urls.txt");
    std::fs::write(&list, "http://127.0.0.1:1/a\nnot-a-url\n").unwrap();
    let file = folder.path().join("out.bin");
    std::fs::write(&file, "x").unwrap();
    let (list, file) = (list.to_str().unwrap(), file.to_str().unwrap());
    for (args, code, says) in [
        (&["ftp://127.0.0.1/a"][..], 2, "hetero reads no 'ftp:' URLs"),
        (&["file:///etc/passwd"], 2, "of a file name the path"),
        (&["some/path"], 2, "not a URL"),
        (&["--urls", list], 3, "urls.txt:2: "),
        (&["http://127.0.0.1:1/a", "--count", "3"], 2, "cannot be used with"),
        (&["http://127.0.0.1:1/a", "-o", file], 2, "fetch writes a folder"),
        (&["--concurrency", "0"], 2, "requests at once"),
        (&["--latency", "2h"], 2, "no time"),
        (&["--count", "2", "--backend", "gpu"], 5, "nothing that a GPU could do"),
        (&["--count", "2", "--precision", "f32"], 2, "precision"),
    ] {
        let (got, _, stderr) = run(&[&["run", "fetch"][..], args].concat());
        assert_eq!(got, code, "{args:?}: {stderr}");
        assert!(stderr.contains(says), "{args:?}: {stderr}");
    }
}

#[test]
fn nothing_secret_is_printed_and_it_is_sent() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("list.csv");
    let url = |path: &str| format!("http://me:secret@127.0.0.1:{}{path}?sig=hidden", server.port);
    let args = ["run", "fetch", &url("/a"), &url("/missing"), "--mode", "async", "-o", manifest.to_str().unwrap()];
    for form in [&["--json"][..], &["--csv"], &[]] {
        let (code, stdout, stderr) = run(&[&args[..], form].concat());
        let all = format!("{stdout}{stderr}{}", std::fs::read_to_string(&manifest).unwrap());
        assert_eq!(code, 3, "{all}");
        assert!(!all.contains("secret") && !all.contains("hidden") && all.contains("/missing"), "{all}");
    }
    let (code, stdout, stderr) = run(&["run", "stress", "--mesh", &url("/missing")]);
    assert_eq!(code, 3);
    assert!(!format!("{stdout}{stderr}").contains("secret"), "{stderr}");
    assert!(server.requests().iter().all(|head| head.contains("Authorization: Basic") && head.contains("sig=hidden")));
}

#[test]
fn every_workload_reads_urls() {
    let server = Server::start(|head, _, peer| {
        let name = path(head).split('?').next().unwrap_or("").trim_start_matches('/').to_string();
        match std::fs::read(data(&name)) {
            Ok(bytes) => send(peer, "200 OK", "", &bytes),
            Err(_) => send(peer, "404 Not Found", "", b""),
        }
    });
    let url = |path: &str| server.url(&format!("/{path}?version=1.csv"));
    let mesh = url("stress/cantilever_c3d8/cantilever_c3d8.vtu.gz");
    let stress = |mesh: &str, more: &[&str]| {
        let steel = ["run", "stress", "--json", "--young", "210e9", "--poisson", "0.3", "--mesh", mesh];
        run(&[&steel[..], more].concat())
    };
    let once = ["--runs", "1", "--baseline", "none"];
    let (code, stdout, stderr) = stress(&mesh, &once);
    assert_eq!(code, 0, "{stderr}");
    let remote: Value = serde_json::from_str(&stdout).unwrap();
    let local = data("stress/cantilever_c3d8/cantilever_c3d8.vtu.gz");
    let (_, stdout, _) = stress(local.to_str().unwrap(), &once);
    let local: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(remote["result"]["max_von_mises"], local["result"]["max_von_mises"]);
    let (k, masters) = (url("guyan/K.mtx.gz"), url("guyan/masters_30.txt"));
    let (code, _, stderr) =
        run(&["run", "guyan", "-K", &k, "--masters", &masters, "--runs", "1", "--baseline", "none"]);
    assert_eq!(code, 0, "{stderr}");
    let matrix = url("eigen/rosser8.mtx");
    let (code, _, stderr) = run(&["run", "eigen", "--batch", &matrix, "--runs", "1", "--baseline", "none"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = stress(&url("none.vtu"), &once);
    assert_eq!(code, 3);
    assert!(stderr.contains("/none.vtu?...: the server answered 404 Not Found"), "{stderr}");
    // A batch: what is there is delivered, what is not is named.
    let folder = tempfile::tempdir().unwrap();
    let pattern = folder.path().join("{stem}.csv");
    let (code, stdout, stderr) = stress(&mesh, &[&url("none.vtu"), "--output", pattern.to_str().unwrap()]);
    assert_eq!(code, 3, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["result"]["delivered"], &report["result"]["failed"]), (&1.into(), &1.into()));
    assert!(folder.path().join("cantilever_c3d8.csv").exists());
}

#[test]
fn https_needs_a_certificate_that_is_trusted_and_is_never_left() {
    let server = Server::tls(localhost(), |head, _, peer| match path(head) {
        "/down" => send(peer, "302 Found", "Location: http://127.0.0.1:1/a\r\n", b""),
        other => send(peer, "200 OK", "", format!("file {other}").as_bytes()),
    });
    let url = |path: &str| format!("https://localhost:{}{path}", server.port);
    let fetch = |path: &str, trusted: bool| {
        let mut command = hetero();
        command.args(["run", "fetch", &url(path), "--mode", "async", "--json"]);
        if trusted {
            command.env("SSL_CERT_FILE", data("net/ca.pem"));
        }
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), report["result"]["bytes"].clone(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, bytes, stderr) = fetch("/a", true);
    assert_eq!((code, bytes), (0, 7.into()), "{stderr}");
    let (code, _, stderr) = fetch("/down", true);
    assert!(code == 3 && stderr.contains("redirected from https"), "{stderr}");
    let (code, _, stderr) = fetch("/a", false);
    assert!(code == 3 && stderr.contains("certificate"), "{stderr}");
    // The certificate is of another name.
    let other = format!("https://127.0.0.1:{}/a", server.port);
    let output = hetero()
        .args(["run", "fetch", &other, "--mode", "seq"])
        .env("SSL_CERT_FILE", data("net/ca.pem"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_proxy_is_asked_where_one_is_named() {
    let proxy = Server::start(|head, _, peer| match head.starts_with("CONNECT") {
        true => send(peer, "403 Forbidden", "", b""),
        false => send(peer, "200 OK", "", path(head).as_bytes()),
    });
    let fetch = |url: &str| {
        let mut command = hetero();
        command.args(["run", "fetch", url, "--mode", "async", "--json"]);
        let through = format!("http://me:secret@127.0.0.1:{}", proxy.port);
        command.env("http_proxy", &through).env("https_proxy", &through).env_remove("no_proxy").env_remove("NO_PROXY");
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(fetch("http://nowhere.invalid/a?b").0, 0);
    let (code, stderr) = fetch("https://nowhere.invalid/a");
    assert!(code == 3 && stderr.contains("answered 403 instead of a connection"), "{stderr}");
    let requests = proxy.requests();
    assert!(
        requests[0].starts_with("GET http://nowhere.invalid/a?b HTTP/1.1\r\nHost: nowhere.invalid\r\n"),
        "{}",
        requests[0]
    );
    assert!(requests[1].starts_with("CONNECT nowhere.invalid:443 HTTP/1.1\r\n"), "{}", requests[1]);
    assert!(requests.iter().all(|head| head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n")));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_waiting_within_a_second() {
    let server = Server::start(|_, _, _| std::thread::sleep(Duration::from_secs(15)));
    let (fetch, mesh) = (server.url("/a"), server.url("/m.vtu"));
    for args in [
        &["run", "fetch", &fetch, "--mode", "async"][..],
        &["run", "fetch", &fetch, "--mode", "threads"],
        &["run", "stress", "--mesh", &mesh],
    ] {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("hetero"))
            .args(args)
            .env("HETERO_CONFIG", "")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let before = server.requests().len();
        while server.requests().len() == before {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
        let sent = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{args:?}");
        assert!(sent.elapsed() < Duration::from_secs(2), "{args:?}: {:?}", sent.elapsed());
    }
}

#[test]
fn settings_bound_a_request() {
    // The answer would come long after the limit, so that a busy machine does not decide this test.
    let files = Files { latency: Duration::from_secs(60), size: 10, seed: 1 };
    let server = loopback::Server::start(files, 0).unwrap();
    let start = Instant::now();
    let output = hetero()
        .args(["run", "fetch", &server.url(0), "--mode", "async"])
        .env("HETERO_NET_IDLE_TIMEOUT", "0.2")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(3) && stderr.contains("silent for 0.2 s (net.idle_timeout)"), "{stderr}");
    assert!(start.elapsed() < Duration::from_secs(40));
    let refused = hetero().args(["config"]).env("HETERO_NET_CONNECTIONS", "0").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}
