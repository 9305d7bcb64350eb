//! The comparison as one page: charts as inline SVG, every number in tables, light and dark, for keyboards, screen
//! readers and printers. Nothing is loaded: the page's own policy forbids it, and allows the one style sheet by its
//! hash.

use std::fmt::Write;

use base64::Engine;
use sha2::{Digest, Sha256};

use super::sweep::{Against, BackendRow, Start, Sweep, answer, rounded};
use super::table::{adapter, factor};
use crate::measure::breakeven::BreakEven;
use crate::measure::stats::{Ratio, Summary};
use crate::units::{self, bytes, plural, si};

mod chart;

use chart::{Chart, Curve, Dot};

/// The style sheet, built in.
const STYLE: &str = include_str!("html/page.css");

/// `text` as HTML text or attribute value: names of adapters and files are not trusted. Control characters become `?`.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Marks that turn the direction of what follows around count as control characters here.
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

/// A number of items as on an axis: `10 k`, `3.2 M`.
fn count(value: f64) -> String {
    let text = si(value);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number} {unit}").trim_end().replace(' ', "\u{a0}")
}

/// Groups of three digits apart by a narrow space that does not break.
fn spaced(text: &str) -> String {
    text.replace('_', "\u{202f}")
}

fn grouped(value: u64) -> String {
    spaced(&units::grouped(value))
}

fn micro(text: &str) -> String {
    text.replace(" us", " µs").replace(' ', "\u{a0}")
}

fn seconds(value: f64) -> String {
    micro(&units::seconds(value))
}

/// `100 ms`: seconds without digits that say nothing, for an axis.
fn seconds_tick(value: f64) -> String {
    let text = units::seconds(value);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    micro(&format!("{number} {unit}"))
}

fn ratio_tick(value: f64) -> String {
    format!("{value}×")
}

/// The median and its interval: `12.3 ms`, `[12.1, 12.9]`.
fn parts(s: &Summary) -> (String, String) {
    let text = micro(&units::seconds_range(s.median, s.low, s.high));
    text.split_once("\u{a0}[")
        .map_or((text.clone(), String::new()), |(median, rest)| (median.into(), format!("[{rest}")))
}

/// The whole page.
#[must_use]
pub fn page(sweep: &Sweep) -> String {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let names: Vec<&str> = sweep.backends.iter().map(|backend| backend.facts.id.as_str()).collect();
    let items = plural(&sweep.item, 2);
    let sizes = sweep.sizes();
    let range = match (sizes.first(), sizes.last()) {
        (Some(first), Some(last)) if first < last => {
            format!("{} sizes from {} to {} {items}", sizes.len(), grouped(*first), grouped(*last))
        }
        (Some(only), _) => format!("{} {items}", grouped(*only)),
        _ => "no size".into(),
    };
    let title = escape(&format!("{}: {}", sweep.workload, sweep.variant));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#measurements\">Skip the charts, to all measurements</a>\n\
         <header>\n<h1>{title}</h1>\n<p class=\"lead\">{} on {}</p>\n",
        escape(&names.join(", ")),
        escape(&list(&names)),
        escape(&range)
    );
    keys(&mut out, sweep);
    notices(&mut out, sweep);
    out.push_str("</header>\n<main>\n");
    answers(&mut out, sweep);
    charts(&mut out, sweep);
    measurements(&mut out, sweep);
    if let Some(before) = &sweep.against {
        against(&mut out, sweep, before);
    }
    machine(&mut out, sweep);
    rules(&mut out, sweep);
    let command: Vec<String> = sweep.command.iter().map(|word| shell(word)).collect();
    let _ = write!(
        out,
        "</main>\n<footer>\n<p>hetero {}, seed {}: <code>{}</code></p>\n</footer>\n</body>\n</html>\n",
        escape(&sweep.version),
        sweep.seed,
        escape(&command.join(" "))
    );
    out
}

/// `seq, cpu and gpu`.
fn list(names: &[&str]) -> String {
    match names {
        [] => "nothing".into(),
        [only] => (*only).into(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A word of a command line as one would type it.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./,:=+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The backends with what stands for them in the charts.
fn keys(out: &mut String, sweep: &Sweep) {
    out.push_str("<ul class=\"keys\" aria-label=\"Backends\">\n");
    for (i, backend) in sweep.backends.iter().enumerate() {
        let look = i % chart::LOOKS;
        let _ = writeln!(
            out,
            "<li><svg viewBox=\"0 0 44 12\" aria-hidden=\"true\"><title>line and mark of {0}</title>\
             <path class=\"curve s{look} d{look}\" d=\"M0 6H44\"/>\
             <path class=\"mark s{look}\" d=\"{1}\"/></svg><b>{0}</b><span>{2}</span></li>",
            escape(&backend.facts.id),
            chart::mark(look, 22.0, 6.0),
            escape(&describe(backend))
        );
    }
    out.push_str("</ul>\n");
}

fn describe(backend: &BackendRow) -> String {
    let facts = &backend.facts;
    let mut text = match &facts.adapter {
        Some(facts) => adapter(facts),
        None => format!("{} {}, {}", facts.threads, plural("thread", facts.threads as u64), facts.simd),
    };
    let _ = write!(text, ", {}; opened in {}", backend.precision.name(), seconds(backend.open));
    if backend.compile > 0.0 {
        let _ = write!(text, ", compiled in {}", seconds(backend.compile));
    }
    text
}

fn notices(out: &mut String, sweep: &Sweep) {
    if sweep.warnings.is_empty() {
        return;
    }
    let class = if sweep.rows.iter().all(|row| row.verify.passed()) { "notice" } else { "notice bad" };
    let _ = writeln!(out, "<section class=\"{class}\" aria-label=\"Warnings\">\n<ul>");
    for warning in &sweep.warnings {
        let _ = writeln!(out, "<li>{}</li>", escape(warning));
    }
    out.push_str("</ul>\n</section>\n");
}

/// The break-even sizes: what the page is for, so it comes first.
fn answers(out: &mut String, sweep: &Sweep) {
    if sweep.break_even.is_empty() {
        return;
    }
    let (base, items) = (escape(&sweep.baseline), escape(&plural(&sweep.item, 2)));
    let _ = writeln!(
        out,
        "<section aria-labelledby=\"break-even\">\n<h2 id=\"break-even\">Break-even</h2>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"break-even\">\n<table class=\"answers\">\n\
         <caption>Number of {items} from which on a backend is faster than {base}, with its interval</caption>\n\
         <thead><tr><th scope=\"col\" class=\"left\">backend</th>"
    );
    for start in Start::ALL {
        let _ = write!(out, "<th scope=\"col\" class=\"left\">{}</th>", start.title());
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for backend in sweep.backends.iter().filter(|backend| backend.facts.id != sweep.baseline) {
        let id = &backend.facts.id;
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(id));
        for start in Start::ALL {
            let text = sweep.break_even_of(id, start).map_or_else(|| "not measured".into(), answer);
            let text = spaced(&text);
            let (main, interval) = text.split_once(" [").map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
            let (main, more) =
                main.split_once("; ").or_else(|| main.split_once(", ")).map_or((main, None), |(a, b)| (a, Some(b)));
            let _ = write!(out, "<td class=\"left\"><strong>{}</strong>", escape(main));
            if let Some(more) = interval.map(|rest| format!("[{rest}")).or_else(|| more.map(str::to_string)) {
                let _ = write!(out, "<span class=\"interval\">{}</span>", escape(&more));
            }
            out.push_str("</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

fn charts(out: &mut String, sweep: &Sweep) {
    let Some(x) = chart::range(sweep.rows.iter().map(|row| row.items as f64), 1.15) else { return };
    let all = || Start::ALL.into_iter().flat_map(|start| sweep.rows.iter().map(move |row| (row, start)));
    let times = all().filter_map(|(row, start)| row.seconds(start)).flat_map(|s| [s.low, s.high]);
    if let Some(y) = chart::range(times, 1.3) {
        section(out, "time", "Time", "Median seconds of one run, with the interval of the median. Lower is faster.");
        for start in Start::ALL {
            figure(out, start, &time_chart(sweep, start, x, y));
        }
        out.push_str("</div>\n</section>\n");
    }
    let ratios = all().filter_map(|(row, start)| row.speedup(start)).flat_map(|r| [r.low, r.high]);
    if let Some([low, high]) = chart::range(ratios, 1.3) {
        let what = format!(
            "How many times as fast as {}, with the interval of the ratio. Above 1× is faster; a shaded band is the interval of \
             a break-even size.",
            sweep.baseline
        );
        section(out, "speedup", &format!("Speedup over {}", sweep.baseline), &what);
        for start in Start::ALL {
            figure(out, start, &speedup_chart(sweep, start, x, [low.min(0.7), high.max(1.4)]));
        }
        out.push_str("</div>\n</section>\n");
    }
}

fn section(out: &mut String, id: &str, title: &str, what: &str) {
    let _ = writeln!(
        out,
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n<p class=\"soft\">{}</p>\n<div class=\"charts\">",
        escape(title),
        escape(what)
    );
}

fn figure(out: &mut String, start: Start, chart: &Chart) {
    let title = start.title();
    let title = title[..1].to_uppercase() + &title[1..];
    let _ = write!(out, "<figure>\n<figcaption><h3>{}</h3></figcaption>\n{}</figure>\n", escape(&title), chart.svg());
}

fn time_chart(sweep: &Sweep, start: Start, x: [f64; 2], y: [f64; 2]) -> Chart {
    let items = plural(&sweep.item, 2);
    let curve = |(look, backend): (usize, &BackendRow)| {
        let id = &backend.facts.id;
        let rows = sweep.rows.iter().filter(|row| row.backend == *id);
        let dots = rows.filter_map(|row| {
            let s = row.seconds(start)?;
            let (median, interval) = parts(s);
            let says = format!("{id}, {} {items}: {median} {interval}", grouped(row.items));
            let shows = format!("{id} at {}: {median} {interval}", count(row.items as f64));
            Some(Dot { x: row.items as f64, y: s.median, low: s.low, high: s.high, says, shows })
        });
        Curve { name: id.clone(), look, dots: dots.filter(|dot| dot.low > 0.0).collect(), mark: None }
    };
    Chart {
        id: format!("time-{}", start.name()),
        title: format!("Time against size, {}", start.title()),
        description: format!(
            "Both axes are logarithmic. What is timed: {}. The same numbers are in the table of all measurements.",
            start.about()
        ),
        curves: sweep.backends.iter().enumerate().map(curve).collect(),
        one: None,
        x_title: items.clone(),
        x,
        y,
        y_label: seconds_tick,
    }
}

fn speedup_chart(sweep: &Sweep, start: Start, x: [f64; 2], y: [f64; 2]) -> Chart {
    let items = plural(&sweep.item, 2);
    let curve = |(look, backend): (usize, &BackendRow)| {
        let id = &backend.facts.id;
        let rows = sweep.rows.iter().filter(|row| row.backend == *id);
        let dots = rows.filter_map(|row| {
            let r = row.speedup(start).filter(|r| r.low > 0.0 && r.high.is_finite())?;
            let says = format!("{id}, {} {items}: {}", grouped(row.items), ratio_text(r));
            let shows = format!("{id} at {}: {}", count(row.items as f64), ratio_text(r));
            Some(Dot { x: row.items as f64, y: r.ratio, low: r.low, high: r.high, says, shows })
        });
        let mark = match sweep.break_even_of(id, start) {
            Some(&BreakEven::At { size, low, high, .. }) => {
                Some((size, [low, high], format!("{id} from {}", spaced(&rounded(size)))))
            }
            _ => None,
        };
        Curve { name: id.clone(), look, dots: dots.collect(), mark }
    };
    let baseline = sweep.backends.iter().position(|backend| backend.facts.id == sweep.baseline);
    let answers = sweep.break_even.iter().filter(|row| row.start == start);
    let answers: Vec<String> =
        answers.map(|row| format!("{} faster from: {}", row.backend, spaced(&answer(&row.answer)))).collect();
    Chart {
        id: format!("speedup-{}", start.name()),
        title: format!("Speedup over {} against size, {}", sweep.baseline, start.title()),
        description: format!(
            "Both axes are logarithmic; the line at 1 is {}. {}. The same numbers are in the table of all measurements.",
            sweep.baseline,
            answers.join("; ")
        ),
        curves: sweep.backends.iter().enumerate().map(curve).filter(|curve| curve.name != sweep.baseline).collect(),
        one: Some((sweep.baseline.clone(), baseline.unwrap_or(0))),
        x_title: items,
        x,
        y,
        y_label: ratio_tick,
    }
}

/// `3.42× [3.31, 3.60], faster`.
fn ratio_text(r: &Ratio) -> String {
    format!("{}, {}", super::table::ratio(r, "×"), r.verdict.word())
}

fn measurements(out: &mut String, sweep: &Sweep) {
    let (base, items) = (escape(&sweep.baseline), escape(&plural(&sweep.item, 2)));
    let _ = write!(
        out,
        "<section aria-labelledby=\"measurements\">\n<h2 id=\"measurements\">All measurements</h2>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"measurements\">\n<table>\n\
         <caption>Median of one run with its interval; × is how many times as fast as {base}, end to end</caption>\n\
         <thead><tr><th scope=\"col\">{items}</th><th scope=\"col\" class=\"left\">backend</th>"
    );
    for start in Start::ALL {
        let _ = write!(out, "<th scope=\"col\">{}</th>", start.title());
        let _ = write!(out, "<th scope=\"col\" class=\"left\">vs {base}</th>");
    }
    out.push_str("<th scope=\"col\">runs</th><th scope=\"col\" class=\"left\">verified</th></tr></thead>\n");
    for size in sweep.sizes() {
        let rows: Vec<_> = sweep.rows.iter().filter(|row| row.items == size).collect();
        out.push_str("<tbody>\n");
        for (i, row) in rows.iter().enumerate() {
            out.push_str("<tr>");
            if i == 0 {
                let _ = write!(out, "<th scope=\"rowgroup\" rowspan=\"{}\">{}</th>", rows.len(), grouped(size));
            }
            let _ = write!(out, "<th scope=\"row\">{}</th>", escape(&row.backend));
            for start in Start::ALL {
                match row.seconds(start) {
                    Some(s) => {
                        let (median, interval) = parts(s);
                        let _ = write!(out, "<td>{median}<span class=\"interval\">{interval}</span></td>");
                    }
                    None if row.verify.passed() => out.push_str("<td>none</td>"),
                    None => out.push_str("<td>void</td>"),
                }
                ratio_cell(out, row.speedup(start));
            }
            let runs = row.warm_seconds.map_or(0, |s| s.n);
            let (class, word) = if row.verify.passed() { ("pass", "pass") } else { ("fail", "FAIL") };
            let _ = writeln!(out, "<td>{runs}</td><td class=\"left {class}\">{word}</td></tr>");
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n</div>\n</section>\n");
}

fn ratio_cell(out: &mut String, ratio: Option<&Ratio>) {
    let Some(r) = ratio else {
        out.push_str("<td></td>");
        return;
    };
    let text = super::table::ratio(r, "×");
    let interval = text.split_once(' ').map_or("", |(_, interval)| interval);
    let word = r.verdict.word();
    let _ = write!(
        out,
        "<td class=\"left\">{} <span class=\"{word}\">{word}</span><span class=\"interval\">{interval}</span></td>",
        factor(Some(r.ratio), "×")
    );
}

fn against(out: &mut String, sweep: &Sweep, before: &Against) {
    let items = escape(&plural(&sweep.item, 2));
    let _ = write!(
        out,
        "<section aria-labelledby=\"against\">\n<h2 id=\"against\">Against an earlier comparison</h2>\n\
         <p class=\"soft\"><code>{}</code>, by hetero {} on {}</p>\n",
        escape(&before.file),
        escape(&before.version),
        escape(&before.cpu)
    );
    let only = |which: &str, names: &[String]| {
        (!names.is_empty()).then(|| format!("only {which}: {}", spaced(&names.join(", "))))
    };
    let notes: Vec<String> = before
        .summary_lines("×")
        .into_iter()
        .chain(before.warnings.iter().cloned())
        .chain(only("before", &before.only_before))
        .chain(only("now", &before.only_now))
        .collect();
    if !notes.is_empty() {
        out.push_str("<ul>\n");
        for note in notes {
            let _ = writeln!(out, "<li>{}</li>", escape(&note));
        }
        out.push_str("</ul>\n");
    }
    if !before.rows.is_empty() {
        let _ = write!(
            out,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"against\">\n<table>\n\
             <caption>Median of one warm run with its interval; × is how many times as fast as before</caption>\n\
             <thead><tr><th scope=\"col\">{items}</th><th scope=\"col\" class=\"left\">backend</th>\
             <th scope=\"col\" class=\"left\">precision</th><th scope=\"col\">before</th><th scope=\"col\">now</th>\
             <th scope=\"col\" class=\"left\">change</th><th scope=\"col\">measured</th></tr></thead>\n<tbody>\n"
        );
        for row in &before.rows {
            let cell = |s: &Summary| {
                let (median, interval) = parts(s);
                format!("<td>{median}<span class=\"interval\">{interval}</span></td>")
            };
            let _ = write!(
                out,
                "<tr><td>{}</td><th scope=\"row\">{}</th><td class=\"left\">{}</td>{}{}",
                grouped(row.items),
                escape(&row.backend),
                escape(&row.precision),
                cell(&row.before),
                cell(&row.now)
            );
            ratio_cell(out, Some(&row.ratio));
            let _ = writeln!(out, "<td>{}×</td></tr>", row.measured);
        }
        out.push_str("</tbody>\n</table>\n</div>\n");
    }
    out.push_str("</section>\n");
}

fn machine(out: &mut String, sweep: &Sweep) {
    let machine = &sweep.machine;
    out.push_str("<section aria-labelledby=\"machine\">\n<h2 id=\"machine\">Machine</h2>\n<dl>\n");
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
        }
    };
    fact("processor", machine.cpu.clone());
    fact("cores", format!("{}, with {} threads, {} usable", machine.cores, machine.threads, machine.usable_threads));
    fact("instructions", format!("{} on {}", machine.simd, machine.arch));
    let caches = machine.caches.iter().map(|cache| format!("L{} {}", cache.level, bytes(cache.bytes)));
    fact("caches", caches.collect::<Vec<_>>().join(", "));
    fact("memory", machine.memory_bytes.map_or_else(String::new, bytes));
    fact("system", [machine.os.as_str(), machine.kernel.as_str()].join(", "));
    for backend in &sweep.backends {
        if let Some(facts) = &backend.facts.adapter {
            fact(&escape(&backend.facts.id), adapter(facts));
        }
    }
    out.push_str("</dl>\n</section>\n");
}

fn rules(out: &mut String, sweep: &Sweep) {
    out.push_str("<section aria-labelledby=\"rules\">\n<h2 id=\"rules\">How it was measured</h2>\n<ul>\n");
    for line in sweep.rule_lines() {
        let _ = writeln!(out, "<li>{}</li>", escape(&line.replace(" %", "\u{a0}%")));
    }
    out.push_str("</ul>\n</section>\n");
}

#[cfg(test)]
mod tests;
