use crate::program::Folder;

#[test]
fn wrong_usage_is_two_and_help_is_zero() {
    let folder = Folder::new();
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"]] {
        assert_eq!(folder.run(arguments).code, Some(0), "{arguments:?}");
    }
    for arguments in [&[][..], &["fly"], &["run", "--fast"], &["run", "--from", "x"], &["demo", "--seconds", "0"]] {
        let done = folder.run(arguments);
        assert_eq!(done.code, Some(2), "{arguments:?}");
        assert!(done.out.is_empty() && !done.err.is_empty(), "{done:?}");
    }
    let both = folder.run(&["run", "--until-caught-up", "--snapshot-only"]);
    assert!(both.code == Some(2) && both.err.contains("cannot be used with"), "{both:?}");
}

#[test]
fn a_missing_file_says_how_to_get_one() {
    let letters = [&["dead-letter", "list"][..], &["dead-letter", "replay", "orders"]];
    for command in
        [&["run"][..], &["check"], &["discover"], &["plan"], &["status"], &["resync", "orders"], &["compact"]]
            .into_iter()
            .chain(letters)
    {
        let done = Folder::new().run(command);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.contains("commutator.toml") && done.err.contains("commutator init"), "{done:?}");
    }
}

#[test]
fn every_problem_of_a_file_is_told_on_its_own_line() {
    let folder = Folder::new();
    let text = "[source]\ntype = \"dynamodb\"\nregoin = \"x\"\ntables = [\"a[b\"]\n[destination]\ntype = \"postgres\"\nurl = \"${NO_SUCH_VARIABLE_IS_SET}\"\n";
    folder.write("commutator.toml", text);
    let done = folder.run(&["run"]);
    assert_eq!(done.code, Some(2));
    let lines: Vec<&str> = done.err.lines().collect();
    assert_eq!(lines.len(), 3, "{done:?}");
    assert_eq!(lines[0], "error: commutator.toml:3: unknown key `regoin` in [source]; did you mean `region`?");
    assert!(lines[1].starts_with("error: commutator.toml:4: ") && lines[1].contains("`a[b`"), "{done:?}");
    assert!(
        lines[2].starts_with("error: commutator.toml:7: ") && lines[2].contains("NO_SUCH_VARIABLE_IS_SET"),
        "{done:?}"
    );

    let json = folder.run(&["run", "--json"]).json();
    assert_eq!(json["error"]["kind"], "config_invalid");
    assert_eq!(json["error"]["problems"][0]["line"], 3);
}

#[test]
fn a_wrong_address_is_wrong_usage() {
    let done = Folder::new().run(&["run", "--from", "mysql://x", "--to", "ftp://y"]);
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("--from: ") && done.err.contains("--to: "), "{done:?}");
}
