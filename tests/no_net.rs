//! A build without the feature `net` refuses URLs and says why.

use crate::support::run;

#[test]
fn a_url_is_refused_with_a_sentence() {
    let (code, _, stderr) = run(&["run", "stress", "--mesh", "http://me:secret@127.0.0.1/a.vtu"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("this build reads no URLs (feature net)") && !stderr.contains("secret"), "{stderr}");
}
