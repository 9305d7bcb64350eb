use proptest::prelude::*;

use super::*;
use crate::multiversion;
use crate::numeric::pair::Pair;
use crate::simd::Simd;

fn parse(text: &str) -> Expr {
    Expr::parse(text, &["x", "y"]).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn value(text: &str, x: f64, y: f64) -> f64 {
    parse(text).evaluate(&[x, y], &mut Vec::new())
}

fn error(text: &str) -> String {
    Expr::parse(text, &["x", "y"]).expect_err(text).to_string()
}

/// What Python gives for the same text.
#[test]
fn precedence_is_python_s() {
    for (text, result) in [
        ("-x**2", -9.0),
        ("2**3**2", 512.0),
        ("2**-1", 0.5),
        ("2^3", 8.0),
        ("-2**-2", -0.25),
        ("1 - 2 - 3", -4.0),
        ("2 / 4 / 2", 0.25),
        ("2 * 3 % 4", 2.0),
        ("-7 % 3", 2.0),
        ("7 % -3", -2.0),
        ("1 + 2 * x", 7.0),
        ("(1 + 2) * x", 9.0),
        ("--x", 3.0),
        ("-x * -y", 12.0),
        ("x > 2 and y > 5 or x == 3", 1.0),
        ("not x > 2", 0.0),
        ("~(x > 2)", 0.0),
        ("(x > 2) & (y > 5) | (x == 3)", 1.0),
        ("where(x < y, x, y) + 1", 4.0),
        ("(x > 2) * 10 + (y != 4)", 10.0),
        ("minimum(x, y) + max(x, y)", 7.0),
        ("1_000 + 1e3 + .5 + 1. + 2.5E-1", 2001.75),
        ("sqrt(x*x + y*y) * 0.5", 2.5),
        ("e**0 + pi*0", 1.0),
        ("+x", 3.0),
        ("pow(x, 2) + power(y, 0.5)", 11.0),
        ("3 <= x", 1.0),
    ] {
        assert_eq!(value(text, 3.0, 4.0), result, "{text}");
    }
    // A variable hides a constant.
    let e = Expr::parse("e * 2", &["e"]).unwrap();
    assert_eq!(e.evaluate(&[5.0], &mut Vec::new()), 10.0);
}

#[test]
fn errors_name_the_column_and_what_to_do() {
    for (text, column, part) in [
        ("x + 2*z", 7, "unknown name 'z'; there are: x, y"),
        ("", 1, "there is no expression"),
        ("  ", 3, "there is no expression"),
        ("x +", 4, "expected, not the end"),
        ("x y", 3, "an operator is missing before 'y'"),
        ("2x", 2, "an operator is missing before 'x'"),
        ("(x", 3, "the ')' for the '(' in column 1, not the end"),
        ("x)", 2, "an operator is missing before ')'"),
        ("sqrt(x, y)", 1, "sqrt takes 1 argument, here are 2"),
        ("1 + where(x)", 5, "where takes 3 arguments, here are 1"),
        ("sin", 1, "sin is a function; write sin(...)"),
        ("foo(x)", 1, "unknown function 'foo'; there are: where, "),
        ("x(2)", 1, "x is a variable and cannot be called"),
        ("x < y < 1", 7, "comparisons do not chain"),
        ("x // y", 3, "write floor(a / b)"),
        ("z = x", 1, "unknown name 'z'"),
        ("x = y", 3, "to compare write =="),
        ("x ? y : 1", 3, "'?' has no meaning"),
        ("1e999", 1, "beyond the range"),
        ("é + x", 1, "'é' has no meaning"),
        ("x + * y", 5, "expected, not '*'"),
        ("sqrt()", 1, "sqrt takes 1 argument, here are 0"),
        ("x * and", 5, "a value is missing before 'and'"),
        ("__import__('os')", 1, "unknown function '__import__'"),
        ("x + 'os'", 5, "has no meaning"),
    ] {
        let message = error(text);
        assert!(message.starts_with(&format!("expression, column {column}: ")), "{text}: {message}");
        assert!(message.contains(part) && !message.contains('\n'), "{text}: {message}");
    }
}

#[test]
fn depth_length_and_size_are_limited() {
    assert!(error(&format!("{}x{}", "(".repeat(500), ")".repeat(500))).contains("nested more than 100 deep"));
    assert!(error(&"-".repeat(5000)).contains("nested"));
    assert!(error(&format!("{}x", "x**".repeat(5000))).contains("nested"));
    assert!(error(&format!("{}x", "sin(".repeat(300))).contains("nested"));
    assert!(error(&format!("x{}", "+x".repeat(2000))).contains("more than 1000"));
    assert!(error(&format!("x{}", " ".repeat(1 << 20))).contains("bytes long"));
    let long = parse(&format!("x{}", "+x".repeat(499)));
    assert_eq!(long.evaluate(&[1.0, 0.0], &mut Vec::new()), 500.0);
    assert_eq!(
        Expr::parse(&long.to_string(), &["x", "y"]).map_err(|e| e.to_string()).unwrap_or_else(|_| long.clone()),
        long
    );
}

#[test]
fn a_program_computes_each_value_once() {
    let steps = |text: &str| Program::new(&parse(text)).steps.len();
    assert_eq!(steps("sqrt(x*x + y*y) * 0.5"), 5);
    assert_eq!(steps("x**2 + x*x"), 2);
    assert_eq!(steps("x*y + y*x"), 2);
    assert_eq!(steps("x**16"), 4);
    assert_eq!(steps("x**-2"), 2);
    assert_eq!(steps("x**0.5"), 1);
    assert_eq!(steps("2 * 3 + sin(1)"), 0);
    assert_eq!(steps("where(1, x + y, x*y)"), 1, "what nobody needs is left out");
    let program = Program::new(&parse("sqrt(x*x + y*y) * 0.5"));
    assert_eq!(program.registers, 2);
    assert!(program.uses(0) && program.uses(1) && !Program::new(&parse("x * 0.5")).uses(1));
}

/// Any expression over `x` and `y`, as text.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("x".to_string()),
        Just("y".to_string()),
        Just("pi".to_string()),
        (-3i32..12).prop_map(|n| format!("{}", f64::from(n.unsigned_abs()) * 0.5)),
    ];
    leaf.prop_recursive(5, 24, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let unary = ["sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "abs", "floor", "ceil", "-", "~", "arctan", "log1p",
            "expm1", "log2", "log10", "sinh", "cosh", "arcsin", "arccos"];
        let infix = ["+", "-", "*", "/", "%", "**", "<", "<=", ">", ">=", "==", "!=", "&", "|"];
        prop_oneof![
            3 => (inner.clone(), proptest::sample::select(unary.to_vec())).prop_map(|(a, op)| format!("{op}({a})")),
            5 => (two.clone(), proptest::sample::select(infix.to_vec())).prop_map(|((a, b), op)| format!("({a} {op} {b})")),
            1 => (two.clone(), proptest::sample::select(vec!["min", "max", "arctan2", "pow"]))
                .prop_map(|((a, b), op)| format!("{op}({a}, {b})")),
            1 => (two, inner).prop_map(|((a, b), c)| format!("where({a}, {b}, {c})")),
        ]
    })
}

#[inline(always)]
fn blocks_f64_body<const FMA: bool>(program: &Program, inputs: &[&[f64]], out: &mut [f64]) {
    Evaluator::new(program).evaluate::<FMA>(inputs, out, None);
}
#[inline(always)]
fn blocks_f32_body<const FMA: bool>(program: &Program, inputs: &[&[f32]], out: &mut [f32]) {
    Evaluator::new(program).evaluate::<FMA>(inputs, out, None);
}
multiversion!(fn blocks_f64 = blocks_f64_body(program: &Program, inputs: &[&[f64]], out: &mut [f64]););
multiversion!(fn blocks_f32 = blocks_f32_body(program: &Program, inputs: &[&[f32]], out: &mut [f32]););

/// Points of all signs and sizes, some special.
fn points() -> Vec<(f64, f64)> {
    let special = [0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 1e-8, 700.0, 1e10];
    let mut points: Vec<_> = special.iter().flat_map(|x| special.iter().map(move |y| (*x, *y))).collect();
    points.extend((0..47).map(|k| ((f64::from(k) * 0.61).sin() * 3.0, f64::from(k) * 0.17 - 2.0)));
    points
}

proptest! {
    #[test]
    fn no_text_panics_the_parser(text in "\\PC*") {
        let _ = Expr::parse(&text, &["x", "y"]);
    }

    #[test]
    fn no_text_of_its_own_symbols_panics_the_parser(text in "[xye0-9_.+*/%^<>=!&|~(), a-z-]{0,60}") {
        if let Ok(expr) = Expr::parse(&text, &["x", "y"]) {
            let _ = expr.evaluate(&[1.0, 2.0], &mut Vec::new());
        }
    }

    #[test]
    fn printing_and_parsing_round_trip(text in expression()) {
        let expr = parse(&text);
        prop_assert_eq!(parse(&expr.to_string()), expr);
    }

    /// Blocks at every level, in both precisions, stay within the bound that is derived for each value; the reference does not
    /// share their code.
    #[test]
    fn blocks_are_within_the_bound(text in expression()) {
        let expr = parse(&text);
        let program = Program::new(&expr);
        let (x, y): (Vec<f64>, Vec<f64>) = points().into_iter().unzip();
        let (x32, y32): (Vec<f32>, Vec<f32>) = points().into_iter().map(|(x, y)| (x as f32, y as f32)).unzip();
        for simd in Simd::available() {
            let (mut out, mut single) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            blocks_f64(simd, &program, &[&x, &y], &mut out);
            blocks_f32(simd, &program, &[&x32, &y32], &mut single);
            for i in 0..x.len() {
                let variables = [x[i], y[i]];
                let reference = expr.evaluate(&variables, &mut Vec::new());
                for (arithmetic, is) in [(Arithmetic::Double, out[i]), (Arithmetic::Single, f64::from(single[i]))] {
                    let enclosed = program.enclose(&variables, arithmetic, &mut Vec::new());
                    let bound = enclosed.distance(reference) * (1.0 + f64::EPSILON);
                    // Where rounding may do anything, nothing is claimed; a kernel may then even leave a domain.
                    if is.is_finite() && bound.is_finite() {
                        let off = (is - reference).abs();
                        prop_assert!(off <= bound, "{} at {:?}: {} for {}, off {:e}, bound {:e}", text, variables, is, reference, off, bound);
                    }
                    // Not finite where the reference is: only where that is foreseen.
                    if reference.is_finite() {
                        prop_assert!(is.is_finite() || enclosed.nan || bound.is_infinite(), "{} at {:?}: {}", text, variables, is);
                    }
                }
            }
        }
    }

    /// The reference itself is within the bound of f64 of 31-digit arithmetic, which shares no code with it.
    #[test]
    fn the_reference_is_within_the_bound_of_exact_arithmetic(text in expression()) {
        let expr = parse(&text);
        let program = Program::unfolded(&expr);
        for (x, y) in points() {
            let reference = expr.evaluate(&[x, y], &mut Vec::new());
            let precise: Pair = expr.evaluate_precisely(&[x, y]);
            let enclosed = program.enclose(&[x, y], Arithmetic::Double, &mut Vec::new());
            let bound = enclosed.distance(reference) * (1.0 + f64::EPSILON);
            if reference.is_finite() && precise.high.is_finite() && bound.is_finite() {
                let off = (precise - reference.into()).abs().high;
                prop_assert!(off <= bound, "{} at {:?}: {} for {:?}, off {:e}, bound {:e}", text, (x, y), reference, precise, off, bound);
            }
        }
    }
}

#[test]
fn the_bound_finds_where_errors_grow() {
    let bound = |text: &str, x: f64, y: f64| {
        let expr = parse(text);
        let reference = expr.evaluate(&[x, y], &mut Vec::new());
        Program::new(&expr).enclose(&[x, y], Arithmetic::Single, &mut Vec::new()).distance(reference)
    };
    // A sum of like numbers has a relative error of a few 2^-24.
    assert!(bound("x + y", 1.0, 2.0) < 4e-7);
    // A difference of nearly equal ones keeps the error of what was rounded before.
    assert!(bound("x*x - y*y", 1.0 + 1e-6, 1.0) < 1e-6 && bound("(x*x - y*y) / 1e-6", 1.0 + 1e-6, 1.0) > 0.05);
    // A jump that may go either way.
    assert!(bound("floor(x*y)", 3.0, 1.0 / 3.0) == 1.0 && bound("floor(x*y)", 3.1, 0.5) == 0.0);
    assert!(bound("where(x*y < 1, 5, 7)", 3.0, 1.0 / 3.0) == 2.0);
    assert_eq!(bound("1 / (x*y - 1)", 3.0, 1.0 / 3.0), f64::INFINITY);
    assert!(bound("sqrt(1 - x*x)", 1.0, 0.0).is_finite());
    assert_eq!(bound("exp(x)", 100.0, 0.0), f64::INFINITY, "beyond the range of f32");
    assert!(bound("exp(-x)", 200.0, 0.0) < 1e-37);
}
