//! The operations that are simulated.

/// An operation of `DynamoDB`, `DynamoDB` Streams or STS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are AWS' own")]
pub enum Operation {
    BatchWriteItem,
    CreateTable,
    DeleteItem,
    DeleteTable,
    DescribeTable,
    GetItem,
    ListTables,
    PutItem,
    Scan,
    UpdateItem,
    UpdateTable,
    DescribeStream,
    GetRecords,
    GetShardIterator,
    ListStreams,
    AssumeRole,
    AssumeRoleWithWebIdentity,
    GetCallerIdentity,
}

/// A service that operations belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    DynamoDb,
    Streams,
    Sts,
}

use Operation as O;

const ALL: [Operation; 18] = [
    O::BatchWriteItem,
    O::CreateTable,
    O::DeleteItem,
    O::DeleteTable,
    O::DescribeTable,
    O::GetItem,
    O::ListTables,
    O::PutItem,
    O::Scan,
    O::UpdateItem,
    O::UpdateTable,
    O::DescribeStream,
    O::GetRecords,
    O::GetShardIterator,
    O::ListStreams,
    O::AssumeRole,
    O::AssumeRoleWithWebIdentity,
    O::GetCallerIdentity,
];

impl Operation {
    /// Returns AWS' name, such as `GetRecords`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BatchWriteItem => "BatchWriteItem",
            Self::CreateTable => "CreateTable",
            Self::DeleteItem => "DeleteItem",
            Self::DeleteTable => "DeleteTable",
            Self::DescribeTable => "DescribeTable",
            Self::GetItem => "GetItem",
            Self::ListTables => "ListTables",
            Self::PutItem => "PutItem",
            Self::Scan => "Scan",
            Self::UpdateItem => "UpdateItem",
            Self::UpdateTable => "UpdateTable",
            Self::DescribeStream => "DescribeStream",
            Self::GetRecords => "GetRecords",
            Self::GetShardIterator => "GetShardIterator",
            Self::ListStreams => "ListStreams",
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }

    pub(crate) fn service(self) -> Service {
        match self {
            Self::DescribeStream | Self::GetRecords | Self::GetShardIterator | Self::ListStreams => Service::Streams,
            Self::AssumeRole | Self::AssumeRoleWithWebIdentity | Self::GetCallerIdentity => Service::Sts,
            _ => Service::DynamoDb,
        }
    }

    /// Returns the name in IAM policies, such as `dynamodb:GetRecords`.
    pub(crate) fn action(self) -> String {
        let prefix = if self.service() == Service::Sts { "sts" } else { "dynamodb" };
        format!("{prefix}:{}", self.name())
    }

    /// Reads an `X-Amz-Target` header.
    pub(crate) fn from_target(target: &str) -> Option<Self> {
        let (prefix, name) = target.split_once('.')?;
        let service = match prefix {
            "DynamoDB_20120810" => Service::DynamoDb,
            "DynamoDBStreams_20120810" => Service::Streams,
            _ => return None,
        };
        ALL.into_iter().find(|operation| operation.name() == name && operation.service() == service)
    }

    /// Reads the `Action` of STS' query protocol.
    pub(crate) fn from_action(action: &str) -> Option<Self> {
        ALL.into_iter().find(|operation| operation.name() == action && operation.service() == Service::Sts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_under_its_service_only() {
        for operation in ALL {
            let targets =
                ["DynamoDB_20120810", "DynamoDBStreams_20120810"].map(|p| format!("{p}.{}", operation.name()));
            let found = targets.map(|target| Operation::from_target(&target) == Some(operation));
            let action = Operation::from_action(operation.name()) == Some(operation);
            assert_eq!([found[0], found[1], action].iter().filter(|&&found| found).count(), 1, "{operation:?}");
        }
        assert_eq!(Operation::from_target("DynamoDB_20120810.Nonsense"), None);
    }
}
