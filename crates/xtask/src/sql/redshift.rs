//! What Redshift refuses, and a parser that knows Postgres does not.

/// Returns why Redshift would refuse a statement; `None` if nothing is known against it.
///
/// Facts from its documentation: "MERGE" (one matched clause and one that is not, without conditions), "ALTER TABLE" (one column at a time, no
/// `IF NOT EXISTS`, another type only for a longer VARCHAR), and "Unsupported `PostgreSQL` features" (upserts).
pub(super) fn refused(statement: &str) -> Option<&'static str> {
    let text = statement.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
    let count = |part: &str| text.matches(part).count();
    if text.starts_with("MERGE ")
        && (count("WHEN MATCHED AND") + count("WHEN NOT MATCHED AND") > 0 || count("WHEN MATCHED") > 1)
    {
        return Some("MERGE takes one clause of each kind, without a condition");
    }
    if text.contains("ON CONFLICT") {
        return Some("there is no ON CONFLICT");
    }
    if text.starts_with("ALTER TABLE ") {
        if count("ADD COLUMN") > 1 {
            return Some("ALTER TABLE adds one column");
        }
        if text.contains("ADD COLUMN IF NOT EXISTS") {
            return Some("ADD COLUMN has no IF NOT EXISTS");
        }
        if text.contains("ALTER COLUMN") && !text.contains(" TYPE VARCHAR(") {
            return Some("only a VARCHAR becomes longer in place");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_refuses_and_nothing_else() {
        for bad in [
            "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND s.b THEN DELETE",
            "MERGE INTO t USING s ON t.a = s.a\nWHEN MATCHED THEN DELETE WHEN MATCHED THEN UPDATE SET b = 1",
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "ALTER TABLE t ADD COLUMN a INT, ADD COLUMN b INT",
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT",
            "ALTER TABLE t ALTER COLUMN a TYPE SUPER",
        ] {
            assert!(refused(bad).is_some(), "{bad}");
        }
        for good in [
            "ALTER TABLE t ADD COLUMN a INT",
            "ALTER TABLE t ALTER COLUMN a TYPE VARCHAR(65535)",
            "DELETE FROM t USING s WHERE t.a = s.a",
        ] {
            assert_eq!(refused(good), None, "{good}");
        }
    }
}
