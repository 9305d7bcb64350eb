//! No text makes the expression parser panic, hang or take memory without bound; what it prints parses to the same tree.
#![no_main]

use hetero::numeric::expr::{Arithmetic, Expr, Program};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let names = ["x", "y"];
    if let Ok(expr) = Expr::parse(text, &names) {
        // What is printed has more parentheses, and may be nested deeper than is allowed.
        if let Ok(again) = Expr::parse(&expr.to_string(), &names) {
            assert_eq!(again, expr);
        }
        let program = Program::new(&expr);
        let _ = expr.evaluate(&[0.5, -2.0], &mut Vec::new());
        let _ = expr.evaluate_precisely(&[0.5, -2.0]);
        let _ = program.enclose(&[0.5, -2.0], Arithmetic::Single, &mut Vec::new());
        let _ = program.wgsl();
    }
});
