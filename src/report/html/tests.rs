//! The page without a browser: its text is escaped, its structure sound, its colours readable. `tests/browser.rs` opens
//! it.

use super::*;
use crate::report::sweep::samples;

/// The values of every attribute `name`.
fn attributes<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Checks what holds for every page.
fn check(page: &str) {
    // Every element is closed in the order in which it was opened.
    let mut open: Vec<&str> = Vec::new();
    let body = &page[page.find("<body>").unwrap()..];
    for tag in body.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        match () {
            () if tag.starts_with('/') => {
                if ["body", "html"].contains(&name) {
                    open.retain(|o| *o != "body");
                    continue;
                }
                assert_eq!(open.pop(), Some(name), "</{name}> closes it");
            }
            () if tag.ends_with('/') => {}
            () => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    // Ids are unique, and what names an id finds it.
    let mut ids = attributes(page, "id");
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id twice");
    for names in attributes(page, "aria-labelledby") {
        assert!(names.split(' ').all(|name| ids.contains(&name)), "{names}");
    }
    for link in attributes(page, "href") {
        assert!(link.strip_prefix('#').is_some_and(|id| ids.contains(&id)), "{link}");
    }
    // Every drawing has a title, every table a caption, every heading is at most one level below the one before.
    assert_eq!(page.matches("<svg").count(), page.matches("<title").count() - 1);
    assert_eq!(page.matches("<table").count(), page.matches("<caption>").count());
    let levels: Vec<u32> = body.split("<h").skip(1).filter_map(|rest| rest.chars().next()?.to_digit(10)).collect();
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1 && pair[1] > 1), "{levels:?}");
    // Nothing is loaded, run or styled from outside the one style sheet.
    for word in ["<script", "<link", "<img", "<iframe", "http://", "https://", "url(", "@import", " style=", "src="] {
        assert!(!page.contains(word), "{word}");
    }
    for name in ["onload", "onclick", "onerror", "onfocus"] {
        assert!(attributes(page, name).is_empty(), "{name}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf,") && !page.contains("\"inf"));
}

#[test]
fn every_page_is_sound() {
    for sweep in [samples::sweep(), samples::failed()] {
        check(&page(&sweep));
    }
    for sizes in [&[][..], &[7], &[1, u64::MAX]] {
        check(&page(&super::super::sweep::build(samples::inputs(sizes))));
    }
    let mut now = samples::sweep();
    let text = super::super::sweep::forms::json(&now);
    let before = super::super::sweep::Saved::parse("before.json".as_ref(), text.as_bytes()).unwrap();
    now.against = Some(super::super::sweep::against::against(&now, &before, "before.json"));
    let page = page(&now);
    check(&page);
    assert!(page.contains("Against an earlier comparison"));
}

#[test]
fn every_measurement_is_on_the_page_with_its_interval() {
    let sweep = samples::sweep();
    let page = page(&sweep);
    for row in &sweep.rows {
        for start in Start::ALL {
            let (median, interval) = parts(row.seconds(start).unwrap());
            let cell = format!("<td>{median}<span class=\"interval\">{interval}</span></td>");
            assert!(page.contains(&cell), "{cell}");
            let point = format!("{}, {} elements: {median} {interval}", row.backend, grouped(row.items));
            assert!(page.contains(&format!("aria-label=\"{point}\"")), "{point}");
        }
    }
    assert!(page.contains("software adapter, not a GPU"));
    for line in sweep.rule_lines() {
        assert!(page.contains(&escape(&line.replace(" %", "\u{a0}%"))), "{line}");
    }
    assert!(page.contains("Example CPU 9000") && page.contains("&#39;a b.json&#39;"));
}

#[test]
fn a_wrong_row_is_void_on_the_page() {
    let page = page(&samples::failed());
    assert_eq!(page.matches("<td>void</td>").count(), 3);
    assert_eq!(page.matches(">FAIL<").count(), 1);
    assert!(page.contains("class=\"notice bad\"") && page.contains("element 17, sigma is 3.5"));
}

#[test]
fn untrusted_names_stay_text() {
    let mut inputs = samples::inputs(&samples::SIZES);
    let evil = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\" onload=\"x\u{202e}\u{0}&amp;'";
    inputs.machine.cpu = evil.into();
    inputs.variant = evil.into();
    inputs.command.push(evil.into());
    inputs.warnings.push(evil.into());
    for point in &mut inputs.points {
        if let Some(adapter) = &mut point.facts.adapter {
            (adapter.name, adapter.driver) = (evil.into(), evil.into());
        }
    }
    let page = page(&super::super::sweep::build(inputs));
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}') && !page.contains('\0'));
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("&quot; onload=&quot;x??&amp;amp;&#39;"));
}

#[test]
fn the_first_table() {
    let page = page(&samples::small());
    let start = page.find("<section aria-labelledby=\"break-even\">").unwrap();
    let section = &page[start..start + page[start..].find("</section>").unwrap()];
    insta::assert_snapshot!(section.replace("><", ">\n<"), @r#"
    <section aria-labelledby="break-even">
    <h2 id="break-even">Break-even</h2>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="break-even">
    <table class="answers">
    <caption>Number of elements from which on a backend is faster than cpu, with its interval</caption>
    <thead>
    <tr>
    <th scope="col" class="left">backend</th>
    <th scope="col" class="left">cold process</th>
    <th scope="col" class="left">warm, data on the host</th>
    <th scope="col" class="left">data on the device</th>
    </tr>
    </thead>
    <tbody>
    <tr>
    <th scope="row">seq</th>
    <td class="left">
    <strong>not at 10 000 000</strong>
    <span class="interval">only up to about 1 000</span>
    </td>
    <td class="left">
    <strong>not at 10 000 000</strong>
    <span class="interval">only up to about 1 000</span>
    </td>
    <td class="left">
    <strong>not at 10 000 000</strong>
    <span class="interval">only up to about 1 000</span>
    </td>
    </tr>
    <tr>
    <th scope="row">gpu</th>
    <td class="left">
    <strong>never up to 10 000 000</strong>
    </td>
    <td class="left">
    <strong>119 000</strong>
    <span class="interval">[91 700, 143 000]</span>
    </td>
    <td class="left">
    <strong>27 400</strong>
    <span class="interval">[25 200, 29 900]</span>
    </td>
    </tr>
    </tbody>
    </table>
    </div>
    "#);
}

/// The colours of the style sheet's two schemes: name and red, green, blue.
fn schemes() -> [Vec<(String, [f64; 3])>; 2] {
    let dark = STYLE.find("prefers-color-scheme: dark").expect("there is a dark scheme");
    let end = dark + STYLE[dark..].find("\n}").unwrap();
    [&STYLE[..dark], &STYLE[dark..end]].map(|part| {
        let colours = part.split("--").skip(1).filter_map(|rest| {
            let (name, value) = rest.split_once(": #")?;
            let channel = |i: usize| u8::from_str_radix(value.get(i..i + 2)?, 16).ok().map(f64::from);
            Some((name.to_string(), [channel(0)?, channel(2)?, channel(4)?]))
        });
        colours.collect()
    })
}

/// Contrast of two colours, 1 to 21. Source: WCAG 2.2, "contrast ratio" and "relative luminance".
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let [r, g, b] = colour.map(|channel| {
            let share = channel / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn contrast_is_that_of_the_standard() {
    assert!((contrast([255.0; 3], [0.0; 3]) - 21.0).abs() < 1e-9);
    assert!((contrast([0x77 as f64; 3], [255.0; 3]) - 4.48).abs() < 0.01, "a known pair: #777 on white");
}

#[test]
fn every_colour_can_be_read_in_both_schemes() {
    for scheme in schemes() {
        let of = |name: &str| scheme.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("--{name}")).1;
        for name in ["ink", "soft", "focus", "good", "warn", "bad", "s0", "s1", "s2", "s3", "s4", "s5"] {
            for ground in ["page", "raised"] {
                let contrast = contrast(of(name), of(ground));
                assert!(contrast >= 4.5, "{name} on {ground}: {contrast:.2}");
            }
        }
    }
}

#[test]
fn the_policy_allows_exactly_the_style_sheet() {
    // A known answer, so that the hash is one: SHA-256 of nothing, in base64.
    let nothing = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(b""));
    assert_eq!(nothing, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    let page = page(&samples::sweep());
    let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style.as_bytes()));
    assert!(page.contains(&format!("style-src 'sha256-{hash}'")));
}
