//! What a nextest report in JUnit's format says of tests that skipped themselves.

use super::skip_reason;

/// `crate test: reason` for every test that printed a `skipped:` line.
pub(super) fn skipped(report: &str) -> Vec<String> {
    let cases = report.split("<testcase ").skip(1);
    cases
        .flat_map(|case| {
            let case = case.split("</testcase>").next().unwrap_or_default();
            let name = [attribute(case, "classname"), attribute(case, "name")].map(unescaped).join(" ");
            let lines: Vec<String> = case
                .split(['\n', '>', '<'])
                .filter_map(skip_reason)
                .map(|reason| format!("{name}: {}", unescaped(reason)))
                .collect();
            lines
        })
        .collect()
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let start = format!("{name}=\"");
    // A space before it, or `name` would be found in `classname`.
    let begin = if element.starts_with(&start) { Some(start.len()) } else { position(element, &format!(" {start}")) };
    begin.and_then(|begin| element[begin..].split('"').next()).unwrap_or_default()
}

fn position(text: &str, pattern: &str) -> Option<usize> {
    text.find(pattern).map(|at| at + pattern.len())
}

fn unescaped(text: &str) -> String {
    let replacements = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_tests_that_skipped_themselves() {
        let report = r#"<testsuite name="a">
            <testcase name="runs" classname="commutator-a" time="1"><system-out>fine, none skipped: yes</system-out></testcase>
            <testcase name="x::y" classname="commutator-a::main" time="0"><system-out>running 1 test
skipped: x &amp; y needs COMMUTATOR_TEST_X
test x::y ... ok</system-out><system-err></system-err></testcase>
            <testcase name="z" classname="b"><system-err>skipped: &quot;z&quot;</system-err></testcase>
            <testcase name="empty" classname="b"/></testsuite>"#;
        let expected = ["commutator-a::main x::y: x & y needs COMMUTATOR_TEST_X", "b z: \"z\""];
        assert_eq!(skipped(report), expected);
        assert_eq!(skipped(""), Vec::<String>::new());
    }
}
