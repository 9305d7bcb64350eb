//! The client against servers that misbehave: each ends in a clear failure within its time, none in a panic, a hang or much
//! memory. Only loopback addresses are contacted.

use std::io::Write;
use std::time::{Duration, Instant};

use hetero::net::{Client, Failure, Kind, Reply, Settings, fetch_many};

use crate::server::{Peer, Server, path, raw, send};

fn bounds() -> Settings {
    Settings {
        connections: 8,
        bytes_in_flight: 1 << 20,
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_millis(400),
        total_timeout: Duration::from_millis(1500),
        max_bytes: 1 << 20,
        retries: 0,
        retry_wait: Duration::from_millis(500),
        redirects: 3,
    }
}

fn get_all(settings: &Settings, urls: &[String], at_once: usize) -> Vec<Result<Reply, Failure>> {
    let mut all: Vec<_> = urls.iter().map(|_| None).collect();
    let numbered = urls.iter().map(String::as_str).enumerate();
    fetch_many(&Client::new(settings.clone()), numbered, at_once, |i, reply, _| all[i] = Some(reply)).unwrap();
    all.into_iter().map(|reply| reply.expect("each URL is answered")).collect()
}

fn get(settings: &Settings, url: &str) -> Result<Reply, Failure> {
    get_all(settings, &[url.to_string()], 1).pop().unwrap()
}

/// Sends pieces with pauses, until somebody has had enough.
fn trickle(peer: &mut dyn Peer, piece: &[u8], pause: Duration) {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end && peer.write_all(piece).and_then(|()| peer.flush()).is_ok() {
        std::thread::sleep(pause);
    }
}

/// One way to go wrong: its path, what the server does, what the client must say.
type Fault = (&'static str, fn(&mut dyn Peer), Kind, &'static str);

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

const FAULTS: &[Fault] = &[
    ("/404", |p| send(p, "404 Not Found", "", b"no"), Kind::Status, "404 Not Found"),
    ("/500", |p| send(p, "500 Internal Server Error", "", b""), Kind::Status, "500"),
    ("/206", |p| send(p, "206 Partial Content", "", b"part"), Kind::Status, "206"),
    ("/299", |p| send(p, "666 What", "", b""), Kind::Status, "666"),
    ("/429", |p| send(p, "429 Too Many Requests", "", b""), Kind::Busy, "429"),
    ("/304", |p| send(p, "304 Not Modified", "", b""), Kind::Status, "304"),
    ("/loop", |p| send(p, "302 Found", "Location: /loop\r\n", b""), Kind::Broken, "net.redirects"),
    ("/file", |p| send(p, "301 Moved", "Location: file:///etc/passwd\r\n", b""), Kind::Broken, "'file:'"),
    ("/s3", |p| send(p, "307 Temporary", "Location: s3://bucket/key\r\n", b""), Kind::Broken, "'s3:'"),
    ("/nowhere", |p| send(p, "302 Found", "", b""), Kind::Status, "302"),
    ("/garbage", |p| raw(p, b"HELLO WORLD\r\n\r\n"), Kind::Broken, "not an HTTP answer"),
    ("/tls", |p| raw(p, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), Kind::Broken, "not an HTTP answer"),
    ("/empty", |_| {}, Kind::Unreachable, "closed without an answer"),
    ("/half-head", |p| raw(p, b"HTTP/1.1 200 OK\r\nA: b"), Kind::Cut, "within the headers"),
    ("/endless-head", |p| trickle(p, &b"A: b\r\n".repeat(1000), Duration::ZERO), Kind::Broken, "not an HTTP answer"),
    (
        "/long-head",
        |p| {
            raw(p, OK);
            trickle(p, &[b"A: ", &[b'x'; 9000][..], b"\r\n"].concat(), Duration::ZERO);
        },
        Kind::Broken,
        "headers longer than 64 KiB",
    ),
    ("/many-headers", |p| raw(p, &[OK, &b"A: b\r\n".repeat(1000)[..], b"\r\n"].concat()), Kind::Broken, "header"),
    (
        "/interim",
        |p| trickle(p, &b"HTTP/1.1 102 Processing\r\n\r\n".repeat(200), Duration::ZERO),
        Kind::Broken,
        "interim answers without end",
    ),
    ("/silent", |_| std::thread::sleep(Duration::from_secs(3)), Kind::Late, "silent for 0.4 s"),
    (
        "/stalled-body",
        |p| {
            raw(p, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
            let _ = p.flush();
            std::thread::sleep(Duration::from_secs(3));
        },
        Kind::Late,
        "silent for 0.4 s",
    ),
    (
        "/trickled-body",
        |p| {
            raw(p, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            trickle(p, b"a", Duration::from_millis(50));
        },
        Kind::Late,
        "net.total_timeout",
    ),
    ("/trickled-head", |p| trickle(p, b"H", Duration::from_millis(700)), Kind::Late, "silent for 0.4 s"),
    ("/too-long", |p| raw(p, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"), Kind::Broken, "more bytes came"),
    ("/too-short", |p| raw(p, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Kind::Cut, "3 of 9 bytes"),
    (
        "/huge",
        |p| raw(p, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\nabc"),
        Kind::Large,
        "net.max_bytes",
    ),
    (
        "/overflow",
        |p| raw(p, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc"),
        Kind::Broken,
        "Content-Length",
    ),
    (
        "/negative",
        |p| raw(p, b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc"),
        Kind::Broken,
        "Content-Length of '-1'",
    ),
    (
        "/endless",
        |p| {
            raw(p, b"HTTP/1.1 200 OK\r\n\r\n");
            trickle(p, &[b'x'; 1 << 16], Duration::ZERO);
        },
        Kind::Large,
        "net.max_bytes",
    ),
    (
        "/endless-chunks",
        |p| {
            raw(p, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            trickle(p, &[b"1000\r\n", &[b'x'; 0x1000][..], b"\r\n"].concat(), Duration::ZERO);
        },
        Kind::Large,
        "net.max_bytes",
    ),
    (
        "/huge-chunk",
        |p| raw(p, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc"),
        Kind::Cut,
        "before the last chunk",
    ),
    (
        "/bad-chunk",
        |p| raw(p, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc"),
        Kind::Broken,
        "chunked coding",
    ),
    ("/gzip", |p| raw(p, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc"), Kind::Broken, "nobody asked for"),
];

#[test]
fn every_fault_ends_in_its_failure_within_its_time() {
    let server = Server::start(|head, _, peer| {
        let fault = FAULTS.iter().find(|fault| fault.0 == path(head)).expect("only faults are asked for");
        fault.1(peer);
    });
    let urls: Vec<String> = FAULTS.iter().map(|fault| server.url(fault.0)).collect();
    let start = Instant::now();
    // All at once: none keeps another from its end.
    let replies = get_all(&Settings { connections: FAULTS.len(), ..bounds() }, &urls, FAULTS.len());
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    for ((path, _, kind, says), reply) in FAULTS.iter().zip(replies) {
        let failure = reply.expect_err(path);
        assert_eq!(failure.kind, *kind, "{path}: {}", failure.why);
        assert!(failure.why.contains(says), "{path}: {}", failure.why);
        let error = failure.error(&server.url(path));
        assert!([3, 7].contains(&error.exit_code()) && error.to_string().contains(path), "{error}");
    }
}

#[test]
fn good_answers_of_every_form_are_read() {
    let server = Server::start(|head, _, peer| {
        match path(head) {
        "/length" => send(peer, "200 OK", "", b"abc"),
        "/close" => raw(peer, b"HTTP/1.0 200 OK\r\n\r\nabc"),
        "/chunked" => raw(peer, b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\nT: x\r\n\r\n"),
        "/interim" => raw(peer, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
        "/pieces" => {
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" {
                raw(peer, &[*byte]);
                let _ = peer.flush();
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        "/moved" => send(peer, "301 Moved", "Location: other/../length?x=1\r\n", b"look there"),
        "/length?x=1" => send(peer, "200 OK", "", b"abc"),
        "/none" => raw(peer, b"HTTP/1.1 204 No Content\r\n\r\n"),
        "/large" => send(peer, "200 OK", "", &vec![7; 900_000]),
        other => panic!("{other}"),
    }
    });
    for path in ["/length", "/close", "/chunked", "/interim", "/pieces", "/moved"] {
        let reply = get(&bounds(), &server.url(path)).unwrap_or_else(|failure| panic!("{path}: {failure}"));
        assert_eq!((reply.status, &reply.body[..]), (200, &b"abc"[..]), "{path}");
    }
    assert_eq!(get(&bounds(), &server.url("/none")).unwrap().body, b"");
    // Ten that are larger than what may be in flight together.
    let urls = vec![server.url("/large"); 10];
    for reply in get_all(&Settings { total_timeout: Duration::from_secs(20), ..bounds() }, &urls, 8) {
        assert!(reply.unwrap().body == vec![7; 900_000]);
    }
}

#[test]
fn what_passes_is_tried_again_and_nothing_else() {
    for (path, tries, says) in [
        ("/busy", 3, None),
        ("/gone", 3, None),
        ("/later", 1, Some("asks to wait 3600 s")),
        ("/cut", 1, Some("3 of 9")),
        ("/500", 1, Some("500")),
    ] {
        let server = Server::start(move |head, number, peer| match (crate::server::path(head), number) {
            ("/busy", 0) => send(peer, "429 Too Many Requests", "Retry-After: 0\r\n", b""),
            ("/busy", 1) => {
                send(peer, "503 Service Unavailable", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", b"")
            }
            ("/gone", 0 | 1) => {} // closed without a byte
            ("/busy" | "/gone", _) => send(peer, "200 OK", "", b"abc"),
            ("/later", _) => send(peer, "503 Service Unavailable", "Retry-After: 3600\r\n", b""),
            ("/cut", _) => raw(peer, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
            ("/500", _) => send(peer, "500 Internal Server Error", "", b""),
            (other, _) => panic!("{other}"),
        });
        let reply = get(&Settings { retries: 3, ..bounds() }, &server.url(path));
        assert_eq!(server.requests().len(), tries, "{path}: {reply:?}");
        match says {
            None => assert_eq!(reply.unwrap().body, b"abc"),
            Some(says) => assert!(reply.as_ref().unwrap_err().why.contains(says), "{reply:?}"),
        }
    }
    // Nobody listens there.
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let failure = get(&Settings { retries: 1, ..bounds() }, &format!("http://{free}/")).unwrap_err();
    assert_eq!(failure.kind, Kind::Unreachable);
    assert!(failure.why.contains("refused") && failure.why.contains("tried 2 times"), "{}", failure.why);
}

#[test]
fn a_kept_connection_that_the_server_closed_is_no_failure() {
    // Every connection is closed after its answer, without a word.
    let server = Server::start(|_, _, peer| send(peer, "200 OK", "", b"abc"));
    let urls: Vec<String> = (0..20).map(|i| server.url(&format!("/{i}"))).collect();
    for reply in get_all(&bounds(), &urls, 1) {
        assert_eq!(reply.unwrap().body, b"abc");
    }
    assert_eq!(server.requests().len(), 20, "nothing is asked for twice");
}

#[test]
fn a_reset_within_the_body_is_told() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        // Closed with an unread request: the system sends a reset.
    });
    let failure = get(&bounds(), &url).unwrap_err();
    thread.join().unwrap();
    assert_eq!(failure.kind, Kind::Cut, "{}", failure.why);
}

#[test]
fn credentials_go_to_their_own_host_only() {
    let server = Server::start(|head, _, peer| match path(head) {
        "/there" => send(peer, "302 Found", "Location: /here\r\n", b""),
        "/elsewhere" => {
            let port = head.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('\r').next()).unwrap();
            send(peer, "302 Found", &format!("Location: http://localhost:{port}/here\r\n"), b"");
        }
        _ => send(peer, "200 OK", "", head.as_bytes()),
    });
    let url = format!("http://me:secret@127.0.0.1:{}", server.port);
    let seen = |path: &str| String::from_utf8(get(&bounds(), &format!("{url}{path}")).unwrap().body).unwrap();
    assert!(seen("/x").contains("Authorization: Basic bWU6c2VjcmV0\r\n"));
    assert!(seen("/there").contains("GET /here HTTP/1.1\r\n") && seen("/there").contains("Authorization"));
    // The same machine under another name is another host.
    assert!(!seen("/elsewhere").contains("Authorization"));
    assert!(seen("/x y?q=1#frag").starts_with("GET /x%20y?q=1 HTTP/1.1\r\n"));
}

#[test]
fn a_server_of_our_own_sends_what_it_should() {
    use hetero::net::loopback::{Files, Server, contents};
    let files = Files { latency: Duration::from_millis(5), size: 3000, seed: 9 };
    let server = Server::start(files, 0).unwrap();
    let mut urls: Vec<String> = (0..50).map(|i| server.url(i)).collect();
    urls.push(format!("http://{}/none", server.address()));
    let mut replies = get_all(&bounds(), &urls, 10);
    assert_eq!(replies.pop().unwrap().unwrap_err().status, Some(404));
    for (i, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply.unwrap().body, contents(files, i as u64), "{i}");
    }
}

/// Object stores read the environment, which a test must not change for the others: [`object_stores`] runs this in a process
/// of its own.
#[test]
#[ignore = "run by object_stores, with its variables"]
fn object_stores_in_their_environment() {
    hetero::net::configure(Settings { retries: 2, ..bounds() });
    assert_eq!(hetero::net::get("s3://bucket/dir/a.npy").unwrap(), b"contents of /bucket/dir/a.npy");
    let listed = hetero::net::list("s3://bucket/dir").unwrap();
    assert_eq!(listed, ["s3://bucket/dir/a.npy", "s3://bucket/dir/b/c.npy"]);
    assert_eq!(hetero::net::get("s3://bucket/missing").unwrap_err().exit_code(), 3);
    assert_eq!(hetero::net::get("s3://bucket/busy").unwrap(), b"contents of /bucket/busy");
    assert_eq!(hetero::net::list("http://127.0.0.1/dir/").unwrap_err().exit_code(), 2);
    let error = hetero::net::get("s3://bucket/large").unwrap_err();
    assert!(error.exit_code() == 7 && error.to_string().contains("net.max_bytes"), "{error}");
}

/// The bytes of an `.npy` array of integers.
fn integers(values: &[i64]) -> Vec<u8> {
    let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({},), }}\n", values.len());
    let data: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

#[test]
fn patterns_and_folders_of_a_store_are_cases_of_a_batch() {
    let list: String = ["dir/a10.npy", "dir/a2.npy", "dir/b1.npy", "dir/notes.txt", "dir/sub/a3.npy"]
        .map(|key| {
            format!(
                "<Contents><Key>{key}</Key><Size>3</Size><LastModified>2024-01-01T00:00:00.000Z</LastModified>\
                 <ETag>\"1\"</ETag></Contents>"
            )
        })
        .concat();
    let server = Server::start(move |head, _, peer| {
        let path = path(head);
        if path.starts_with("/bucket?") || path.starts_with("/bucket/?") {
            let text = format!(
                "<?xml version=\"1.0\"?><ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>{list}\
                 </ListBucketResult>"
            );
            return send(peer, "200 OK", "Content-Type: application/xml\r\n", text.as_bytes());
        }
        let digits = path.trim_end_matches(".npy").rsplit(['a', 'b']).next().unwrap();
        let Ok(value) = digits.parse() else { return send(peer, "404 Not Found", "", b"") };
        let meta = "ETag: \"1\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n";
        send(peer, "200 OK", meta, &integers(&[value]));
    });
    let folder = tempfile::tempdir().unwrap();
    let sums = |input: &str| {
        let output = crate::support::hetero()
            .current_dir(folder.path())
            .args(["run", "sumsq", "--backend", "cpu", "--json", "--input", input, "--output", "{index}_{stem}.csv"])
            .env("AWS_ENDPOINT", server.url(""))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "here")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "very-secret")
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let report: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
        let cases = report.as_ref().and_then(|report| report["cases"].as_array()).cloned().unwrap_or_default();
        let sums: Vec<u64> = cases.iter().map(|case| case["result"]["sum"].as_u64().unwrap()).collect();
        (output.status.code().unwrap(), sums, told)
    };
    // `*` stays within a folder, and the order is that of people.
    assert_eq!(sums("s3://bucket/dir/a*.npy"), (0, vec![4, 100], String::new()));
    // A folder has what lies below it, too, of the kinds that are read.
    assert_eq!(sums("s3://bucket/dir/"), (0, vec![4, 100, 1, 9], String::new()));
    for file in ["1_a2.csv", "2_a10.csv", "3_b1.csv", "4_a3.csv"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    let (code, _, told) = sums("s3://bucket/dir/*.mtx");
    assert!(code == 3 && told.contains("no object matches"), "{code} {told}");
    let asked = server.requests().iter().filter(|head| head.contains("notes")).count();
    assert_eq!(asked, 0, "nothing is fetched that was not named");
}

#[test]
fn object_stores() {
    const LIST: &str = "<?xml version=\"1.0\"?><ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>\
        <Contents><Key>dir/b/c.npy</Key><Size>3</Size><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>\"2\"</ETag></Contents>\
        <Contents><Key>dir/a.npy</Key><Size>3</Size><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>\"1\"</ETag></Contents>\
        </ListBucketResult>";
    const META: &str = "ETag: \"1\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n";
    let busy = std::sync::atomic::AtomicBool::new(true);
    let server = Server::start(move |head, _, peer| {
        let path = path(head);
        if path == "/bucket/busy" && busy.swap(false, std::sync::atomic::Ordering::Relaxed) {
            return send(peer, "503 Slow Down", "", b"");
        }
        if !head.to_ascii_lowercase().contains("authorization: aws4-hmac-sha256 credential=key/") {
            return send(peer, "403 Forbidden", "", b"<Error><Code>AccessDenied</Code></Error>");
        }
        match path {
            _ if path.starts_with("/bucket?") || path.starts_with("/bucket/?") => {
                assert!(path.contains("list-type=2") && path.contains("prefix=dir%2F"), "{path}");
                send(peer, "200 OK", "Content-Type: application/xml\r\n", LIST.as_bytes());
            }
            "/bucket/missing" => send(peer, "404 Not Found", "", b"<Error><Code>NoSuchKey</Code></Error>"),
            "/bucket/large" => {
                raw(peer, format!("HTTP/1.1 200 OK\r\n{META}Content-Length: 99999999999\r\n\r\n").as_bytes())
            }
            _ => send(peer, "200 OK", META, format!("contents of {path}").as_bytes()),
        }
    });
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["net::object_stores_in_their_environment", "--exact", "--ignored"])
        .env("AWS_ENDPOINT", server.url(""))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "here")
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "very-secret")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!server.requests().is_empty());
}
