//! The page of `hetero compare --html` in a real browser, driven over its debugging pipe: nothing is requested, nothing
//! is complained about, it fits narrow and wide windows in both colour schemes, and keyboards and screen readers reach
//! all of it. Without Chromium this skips; `HETERO_TEST_BROWSER=require` makes that a failure.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use crate::support::run;

/// The headless build first: it is the smaller one.
const NAMES: [&str; 5] =
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Longer than any of this takes; a browser that hangs is ended.
const LIMIT: Duration = Duration::from_secs(120);

fn find() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let found =
        NAMES.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()));
    if found.is_none() {
        assert!(
            std::env::var("HETERO_TEST_BROWSER").as_deref() != Ok("require"),
            "HETERO_TEST_BROWSER=require, and none of {NAMES:?} was found"
        );
        eprintln!("skipped: no Chromium ({}) on the PATH", NAMES.join(", "));
    }
    found
}

/// A browser with one tab.
struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: Option<String>,
    sent: u64,
    events: VecDeque<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser reads commands from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the browser starts");
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let id = child.id().to_string();
        std::thread::spawn(move || {
            std::thread::sleep(LIMIT);
            let _ = Command::new("kill").args(["-s", "KILL", &id]).stderr(Stdio::null()).status();
        });
        let (session, sent, events) = (None, 0, VecDeque::new());
        let mut browser = Self { child, input, output, session, sent, events, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_string);
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.output.read_until(0, &mut message).expect("the browser answers");
        assert!(message.pop() == Some(0), "the browser has ended");
        serde_json::from_slice(&message).expect("JSON")
    }

    /// Calls a method; its result.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let answer = self.read();
            if answer["id"] == self.sent {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    /// Opens a page in a window and scheme; what happened until it was loaded.
    fn open(&mut self, url: &str, width: u32, scheme: &str) -> Vec<Value> {
        self.events.clear();
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", feature);
        self.call("Page.navigate", json!({ "url": url }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.read();
            self.events.push_back(event);
        }
        // Whatever the page still wants to say.
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))");
        self.events.drain(..).collect()
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    fn press_tab(&mut self) {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
            self.call("Input.dispatchKeyEvent", key);
        }
    }

    /// Saves the whole page as an image, for people who want to look at it.
    fn photograph(&mut self, path: &Path) {
        let image = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let bytes = base64::engine::general_purpose::STANDARD.decode(image["data"].as_str().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_page_of_a_comparison_works_for_everyone() {
    let Some(program) = find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    let (code, _, stderr) = run(&[
        "compare",
        "stress",
        "--sizes",
        "1e3..1e5",
        "--backends",
        "seq,cpu",
        "--runs",
        "5",
        "--html",
        path.to_str().unwrap(),
    ]);
    assert_eq!(code, 0, "{stderr}");
    let url = format!("file://{}", path.display());
    let mut browser = Browser::start(&program);
    for (scheme, ground) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 24, 28)")] {
        for width in [1280, 768, 360] {
            let what = format!("{scheme}, {width} pixels wide");
            let events = browser.open(&url, width, scheme);
            check_silence(&events, &url, &what);
            // The style sheet is in use: the page's policy allowed it.
            let found = browser.evaluate("getComputedStyle(document.documentElement).backgroundColor");
            assert_eq!(found, ground, "{what}");
            let wide = browser.evaluate("document.documentElement.scrollWidth - window.innerWidth");
            assert!(wide.as_i64().unwrap() <= 0, "{what}: {wide} pixels too wide");
            check_charts(&mut browser, &what);
            let name = format!("compare-{scheme}-{width}.png");
            browser.photograph(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        }
    }
    check_keyboard(&mut browser);
    check_screen_reader(&mut browser);
}

/// No request but the page itself, no message, no violated policy.
fn check_silence(events: &[Value], url: &str, what: &str) {
    let mut requests = 0;
    for event in events {
        match event["method"].as_str().unwrap_or("") {
            "Network.requestWillBeSent" => {
                requests += 1;
                assert_eq!(event["params"]["request"]["url"], url, "{what}");
            }
            "Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" => panic!("{what}: {event}"),
            _ => {}
        }
    }
    assert_eq!(requests, 1, "{what}");
}

/// All drawings and tables are there, have a size, and keep their text inside; text does not cover text.
fn check_charts(browser: &mut Browser, what: &str) {
    let counts = browser.evaluate(
        "['figure svg', 'table', 'table > caption', '.point', 'figure svg > title', '.curve'].map(s => document.querySelectorAll(s).length)",
    );
    // Three charts of time with 2 x 5 points, three of speedup with 5; each backend once more as a key.
    assert_eq!(counts, json!([6, 2, 2, 45, 6, 9 + 2]), "{what}");
    let outside = browser.evaluate(
        "[...document.querySelectorAll('figure svg')].flatMap(svg => { const box = svg.getBoundingClientRect(); \
         return [...svg.querySelectorAll('text')].filter(t => { const b = t.getBoundingClientRect(); \
         return b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1 }) \
         .map(t => t.textContent) })",
    );
    assert_eq!(outside, json!([]), "{what}: text outside its chart");
    let empty = browser.evaluate(
        "[...document.querySelectorAll('figure svg, table')].filter(e => { const b = e.getBoundingClientRect(); \
         return b.width < 100 || b.height < 50 }).length",
    );
    assert_eq!(empty, 0, "{what}");
    let covered = browser.evaluate(
        "[...document.querySelectorAll('figure svg')].flatMap(svg => { \
         const texts = [...svg.querySelectorAll('text:not(.read)')].map(t => [t.textContent, t.getBoundingClientRect()]); \
         return texts.flatMap(([a, p], i) => texts.slice(i + 1).filter(([b, q]) => p.left < q.right - 1 && \
         q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3).map(([b]) => a + ' / ' + b)) })",
    );
    assert_eq!(covered, json!([]), "{what}: text over text");
    // Small text is at least 10 pixels high on the screen.
    let small = browser.evaluate(
        "[...document.querySelectorAll('figure svg')].filter(svg => 12 * svg.getBoundingClientRect().width / 380 < 10).length",
    );
    assert_eq!(small, 0, "{what}: charts too small to read");
}

/// The first stop is the skip link, visibly; every point can be reached and then says its numbers.
fn check_keyboard(browser: &mut Browser) {
    browser.press_tab();
    let first = browser.evaluate(
        "[document.activeElement.className, document.activeElement.getBoundingClientRect().left >= 0, \
         document.querySelector(document.activeElement.getAttribute('href')).tagName]",
    );
    assert_eq!(first, json!(["skip", true, "H2"]));
    // The points, a scrolling table before and after them, and the way back to the start.
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        browser.press_tab();
        let active = browser.evaluate(
            "(e => [[...document.querySelectorAll('.point')].indexOf(e), e.getAttribute('aria-label'), \
             e.querySelector('.read')?.textContent, \
             e.querySelector('.read') && getComputedStyle(e.querySelector('.read')).visibility])(document.activeElement)",
        );
        if active[0] != -1 {
            seen.insert(active[0].as_i64());
            assert_eq!(active[3], "visible", "{active}");
            let says = |i: usize| active[i].as_str().unwrap().split_once('[').expect("an interval").1;
            assert_eq!(says(1), says(2), "{active}");
        }
    }
    assert_eq!(seen.len(), 45, "every point is a stop");
}

/// What assistive technology is told: landmarks, headings, every point by name, tables with names.
fn check_screen_reader(browser: &mut Browser) {
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes: Vec<(String, String)> = tree["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["ignored"] == false)
        .map(|node| {
            let text = |field: &str| node[field]["value"].as_str().unwrap_or("").to_string();
            (text("role"), text("name"))
        })
        .collect();
    let count = |role: &str| nodes.iter().filter(|node| node.0 == role).count();
    for landmark in ["banner", "main", "contentinfo"] {
        assert_eq!(count(landmark), 1, "{landmark}");
    }
    let points =
        nodes.iter().filter(|(role, name)| ["image", "img"].contains(&role.as_str()) && name.contains(" elements: "));
    assert_eq!(points.count(), 45);
    let tables: Vec<_> = nodes.iter().filter(|node| node.0 == "table").collect();
    assert!(tables.len() == 2 && tables.iter().all(|table| !table.1.is_empty()), "{tables:?}");
    let charts = nodes
        .iter()
        .filter(|(_, name)| name.starts_with("Time against size") || name.starts_with("Speedup over cpu against"));
    assert!(charts.count() >= 6);
    assert!(count("heading") >= 6 && count("rowheader") >= 10 && count("columnheader") >= 10);
}
