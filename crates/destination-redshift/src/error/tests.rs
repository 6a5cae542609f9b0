use super::*;

/// Messages as AWS documents them, or as users of it report them.
#[test]
fn messages_have_kinds_and_never_values() {
    for (text, kind, code, shown) in [
        (
            "ERROR: 1023 DETAIL: Serializable isolation violation on table - 100, transactions forming the cycle are: 1, 2",
            ErrorKind::Unavailable,
            Some("1023"),
            true,
        ),
        (
            "ERROR: could not complete because of conflict with concurrent transaction",
            ErrorKind::Unavailable,
            None,
            true,
        ),
        ("ERROR: permission denied for schema shop", ErrorKind::PermissionDenied, None, true),
        ("ERROR: must be owner of relation orders", ErrorKind::PermissionDenied, None, true),
        (
            "ERROR: Load into table '_ct_stage' failed.  Check 'stl_load_errors' system table for details.",
            ErrorKind::DataInvalid,
            None,
            true,
        ),
        (
            "ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 1,ExtRid 2,CanRetry 1\n  Detail: \n  error:  S3 \
             \n  code:      8001\n  context:   hunter2",
            ErrorKind::PermissionDenied,
            Some("8001"),
            true,
        ),
        (
            "ERROR: S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown",
            ErrorKind::Unavailable,
            None,
            true,
        ),
        (
            "ERROR: User arn:aws:redshift:eu-west-1:1:dbuser:c/u is not authorized to assume IAM Role arn:aws:iam::1:role/r",
            ErrorKind::PermissionDenied,
            None,
            true,
        ),
        ("ERROR: Mandatory url is not present in manifest file.", ErrorKind::Unavailable, None, true),
        ("ERROR: value too long for type character varying(65535): hunter2", ErrorKind::DataInvalid, None, false),
        ("ERROR: String value exceeds the max size of 65535 bytes", ErrorKind::DataInvalid, None, false),
        (
            "ERROR: Invalid digit, Value 'h', Pos 0, Type: Long \n  Detail: \n  code:      1207\n  context:   hunter2",
            ErrorKind::DataInvalid,
            Some("1207"),
            false,
        ),
        ("ERROR: invalid input syntax for integer: \"hunter2 already exists\"", ErrorKind::DataInvalid, None, false),
        // A value may say what a message would.
        ("ERROR: date/time field value out of range: \"hunter2 already exists\"", ErrorKind::DataInvalid, None, false),
        ("ERROR: relation \"shop.t\" does not exist", ErrorKind::NotFound, None, true),
        ("ERROR: column \"a\" of relation \"t\" does not exist", ErrorKind::SchemaConflict, None, true),
        (
            "ERROR: cannot drop table t column a because other objects depend on it",
            ErrorKind::SchemaConflict,
            None,
            true,
        ),
        ("ERROR: Disk Full", ErrorKind::Throttled, None, true),
        ("ERROR: hunter2", ErrorKind::Unexpected, None, false),
        ("FATAL: password authentication failed for user \"loader\"", ErrorKind::PermissionDenied, None, true),
        ("Connection to hunter2 lost", ErrorKind::Unavailable, None, false),
    ] {
        let error = refused(text);
        assert_eq!(error.kind(), kind, "{text}");
        let report = format!("{} {error:?}", error.report());
        assert!(!report.contains("hunter2"), "{report}");
        assert_eq!(
            error.context().iter().find(|(key, _)| *key == "code").map(|(_, code)| code.as_str()),
            code,
            "{text}"
        );
        assert_eq!(error.report().contains(&text.lines().next().unwrap()[..12]), shown, "{text}: {}", error.report());
    }
}

#[test]
fn statements_that_fail_on_purpose_are_told_apart() {
    for (name, kind) in
        [(FENCED, ErrorKind::Unexpected), (REHEARSED, ErrorKind::Unexpected), (BENT, ErrorKind::DataInvalid)]
    {
        for text in [
            format!("ERROR: invalid input syntax for type bigint: \"{name}\""),
            format!(
                "ERROR: Invalid digit, Value '_', Pos 0, Type: Long \n  Detail: \n  code: 1207\n  context:   {name}"
            ),
        ] {
            let error = refused(&text);
            assert!(error.kind() == kind && error.report().contains(name), "{}", error.report());
            assert!(is_of_cast(&text));
        }
    }
}

#[test]
fn settings_cannot_end_a_literal() {
    assert!(plain("x", "arn:aws:iam::1:role/a-b_c").is_ok());
    for bad in ["a'b", "a\\", "a b", "a\n"] {
        assert_eq!(plain("x", bad).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
}
