//! Programs to copy from; the library itself is empty. Each begins with the command that runs it.
//!
//! | program | shows |
//! |---|---|
//! | `quickstart.rs` | an embedded `DynamoDB` that keeps changing, synced to Parquet in a local folder |
//! | `dynamodb_to_parquet.rs` | tables to Parquet on a disk, S3, GCS or Azure |
//! | `dynamodb_to_postgres.rs` | tables to Postgres |
//! | `custom_destination.rs` | a destination of your own in under 150 lines |
