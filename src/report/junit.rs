//! The gate as `JUnit` XML: a rule is a test case, so that a build server shows what tripped.
//!
//! A rule that fails is a failure, one that is undecided an error. Two cases more hold what else can end a run with exit code 3.

use super::{numbers, words};
use crate::findings::{GateRule, Outcome, Report, Role, Row, Verdict};
use std::fmt::Write as _;

/// A test case: its name, and what is wrong with it.
struct Case {
    name: String,
    ending: Ending,
}

enum Ending {
    Pass,
    Failure(String),
    Error(String),
}

pub(super) fn render(report: &Report) -> String {
    let mut cases: Vec<_> = report.gate.rules.iter().map(rule).collect();
    cases.push(conclusive(report));
    cases.push(instruments(report));
    let failures = cases
        .iter()
        .filter(|case| matches!(case.ending, Ending::Failure(_)))
        .count();
    let errors = cases
        .iter()
        .filter(|case| matches!(case.ending, Ending::Error(_)))
        .count();
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\"",
        cases.len()
    );
    let name = escape(&report.name);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"unsaid\" {counts}>\n"
    );
    let _ = writeln!(text, "  <testsuite name=\"unsaid {name}\" {counts}>");
    for case in &cases {
        text.push_str(&element(case, &name));
    }
    let reasons = report
        .gate
        .reasons
        .iter()
        .map(|reason| escape(reason) + "\n")
        .collect::<String>();
    let _ = writeln!(
        text,
        "    <system-out>exit code {}: {}\n{reasons}</system-out>",
        report.gate.exit_code,
        words::exit_code(report.gate.exit_code)
    );
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

fn element(case: &Case, class: &str) -> String {
    let open = format!(
        "    <testcase classname=\"{class}\" name=\"{}\"",
        escape(&case.name)
    );
    match &case.ending {
        Ending::Pass => format!("{open}/>\n"),
        Ending::Failure(message) => format!(
            "{open}>\n      <failure message=\"{}\"/>\n    </testcase>\n",
            escape(message)
        ),
        Ending::Error(message) => format!(
            "{open}>\n      <error message=\"{}\"/>\n    </testcase>\n",
            escape(message)
        ),
    }
}

fn rule(rule: &GateRule) -> Case {
    let limit = rule
        .limit
        .map(|limit| format!(", limit {limit}"))
        .unwrap_or_default();
    let interval = rule
        .interval
        .map(|[low, high]| format!(", interval {low} to {high}"))
        .unwrap_or_default();
    let message = format!("{}{limit}{interval}", words::outcome(rule.outcome));
    let ending = match rule.outcome {
        Outcome::Pass => Ending::Pass,
        Outcome::Fail => Ending::Failure(message),
        Outcome::Undecided => Ending::Error(message),
    };
    Case {
        name: super::summary::rule_name(rule),
        ending,
    }
}

/// Without this case a run that ends with 3 because of an inconclusive row would be all green.
fn conclusive(report: &Report) -> Case {
    let open = report.rows.iter().filter(|row| {
        row.role == Role::Audit && row.gated && row.verdict == Some(Verdict::Inconclusive)
    });
    Case {
        name: "gated rows are conclusive".to_owned(),
        ending: error_of("inconclusive", open),
    }
}

/// Where the gate passed, the instrument that failed was none that it requires.
fn instruments(report: &Report) -> Case {
    let failed = report
        .rows
        .iter()
        .filter(|row| row.passed == Some(false) && !report.gate.passed);
    Case {
        name: "instruments".to_owned(),
        ending: error_of("failed", failed),
    }
}

fn error_of<'a>(what: &str, rows: impl Iterator<Item = &'a Row>) -> Ending {
    let names: Vec<_> = rows.map(row_name).collect();
    if names.is_empty() {
        Ending::Pass
    } else {
        Ending::Error(format!("{what}: {}", names.join("; ")))
    }
}

fn row_name(row: &Row) -> String {
    format!(
        "{} {} {}, {}",
        words::role(row.role),
        words::probe(row.probe),
        words::statistic(&row.statistic),
        words::place(row)
    )
}

/// Text for XML. Control characters cannot stand in it, even escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in words::clean(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            numbers::NBSP => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(render(&sample::report()));
    }

    #[test]
    fn what_the_gate_says_is_what_the_build_server_sees() {
        let mut report = sample::report();
        report.gate.rules[0].outcome = Outcome::Fail;
        report.gate.rules[0].rule = "a < \"b\" & \u{1b}\u{0}'c'".to_owned();
        let text = render(&report);
        assert!(
            text.contains("name=\"a &lt; &quot;b&quot; &amp; &apos;c&apos;\""),
            "{text}"
        );
        assert!(text.contains("<failure message=\"FAILED\"/>"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{0}']));
    }

    #[test]
    fn a_failed_instrument_is_an_error_where_the_gate_did_not_pass() {
        let mut report = sample::report();
        for row in &mut report.rows {
            row.passed = row.passed.map(|_| false);
        }
        assert!(render(&report).contains("<error message=\"failed: positive control"));
        report.gate.passed = true;
        assert!(!render(&report).contains("\"failed: "));
    }
}
