//! The IAM documents that `commutator init` writes: the rights to read the chosen tables, and who may use them.

use serde_json::{Value, json};

/// Stands where an account's id or a principal was not given; IAM refuses it, so it cannot be pasted by mistake.
pub(crate) const PLACEHOLDER: &str = "REPLACE_WITH_THE_ARN_OF_WHO_RUNS_COMMUTATOR";

/// What the policy of the role shall allow.
#[derive(Debug)]
pub(crate) struct Rights<'a> {
    /// The region of the tables, `*` for every one.
    pub(crate) region: &'a str,
    /// The account of the tables; `*` means the account that the policy is created in.
    pub(crate) account: &'a str,
    /// Names and globs of tables.
    pub(crate) tables: &'a [String],
}

/// Returns the policy with the least rights that reading these tables and their streams takes.
///
/// `dynamodb:ListTables` knows no resource, so it is there, for every table, only if a glob must be resolved
/// (Service Authorization Reference, Amazon DynamoDB).
pub(crate) fn policy(rights: &Rights<'_>) -> Value {
    let arns = |suffix: &str| -> Vec<String> {
        let Rights { region, account, tables } = rights;
        let arn = |table: &String| {
            format!("arn:{}:dynamodb:{region}:{account}:table/{}{suffix}", partition(region), iam_pattern(table))
        };
        tables.iter().map(arn).collect()
    };
    let mut statements = vec![
        json!({
            "Sid": "ReadTables",
            "Effect": "Allow",
            "Action": ["dynamodb:DescribeTable", "dynamodb:Scan"],
            "Resource": arns(""),
        }),
        json!({
            "Sid": "ReadStreams",
            "Effect": "Allow",
            "Action": ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"],
            "Resource": arns("/stream/*"),
        }),
    ];
    if rights.tables.iter().any(|table| table.contains(['*', '?', '[', '{'])) {
        statements.push(json!({
            "Sid": "FindTables",
            "Effect": "Allow",
            "Action": ["dynamodb:ListTables"],
            "Resource": "*",
        }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Returns the trust policy of the role: this principal may assume it, and only with the external ID.
pub(crate) fn trust_policy(principal: Option<&str>, external_id: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "AssumeWithExternalId",
            "Effect": "Allow",
            "Principal": { "AWS": principal.unwrap_or(PLACEHOLDER) },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "sts:ExternalId": external_id } },
        }],
    })
}

/// IAM knows `*` and `?` only, so `[…]` and `{…}` become `*`: a little more than was asked for, never less.
fn iam_pattern(glob: &str) -> String {
    let (mut out, mut depth) = (String::with_capacity(glob.len()), 0u32);
    for c in glob.chars() {
        match c {
            '[' | '{' => {
                if depth == 0 && !out.ends_with('*') {
                    out.push('*');
                }
                depth += 1;
            }
            ']' | '}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            '*' if out.ends_with('*') => {}
            c => out.push(c),
        }
    }
    out
}

fn partition(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn named_tables_need_no_right_to_list() {
        let tables = tables(&["orders"]);
        let policy = policy(&Rights { region: "eu-west-1", account: "123456789012", tables: &tables });
        assert_eq!(
            policy["Statement"],
            json!([
                {
                    "Sid": "ReadTables", "Effect": "Allow",
                    "Action": ["dynamodb:DescribeTable", "dynamodb:Scan"],
                    "Resource": ["arn:aws:dynamodb:eu-west-1:123456789012:table/orders"],
                },
                {
                    "Sid": "ReadStreams", "Effect": "Allow",
                    "Action": ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"],
                    "Resource": ["arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/*"],
                },
            ])
        );
    }

    #[test]
    fn globs_become_what_iam_knows_and_need_the_right_to_list() {
        let tables = tables(&["users_*", "shop-[a-c]?", "{a,b}*x"]);
        let policy = policy(&Rights { region: "cn-north-1", account: "*", tables: &tables });
        assert_eq!(
            policy["Statement"][0]["Resource"],
            json!([
                "arn:aws-cn:dynamodb:cn-north-1:*:table/users_*",
                "arn:aws-cn:dynamodb:cn-north-1:*:table/shop-*?",
                "arn:aws-cn:dynamodb:cn-north-1:*:table/*x",
            ])
        );
        assert_eq!(policy["Statement"][2]["Action"], json!(["dynamodb:ListTables"]));
    }

    #[test]
    fn the_role_is_trusted_only_with_the_external_id() {
        let policy = trust_policy(None, "id");
        assert_eq!(policy["Statement"][0]["Condition"], json!({"StringEquals": {"sts:ExternalId": "id"}}));
        assert_eq!(policy["Statement"][0]["Principal"]["AWS"], PLACEHOLDER);
        let principal = "arn:aws:iam::123456789012:role/runner";
        assert_eq!(trust_policy(Some(principal), "id")["Statement"][0]["Principal"]["AWS"], principal);
    }
}
