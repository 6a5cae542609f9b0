//! The built program against DynamoDB Local, Postgres, S3 and a stand-in for Snowflake, compared by Python programs that share no code with it.

mod access;
mod altered;
mod compaction;
mod dead_letters;
mod exactness;
mod fixture;
mod full_disk;
mod impostor;
mod kills;
mod kinds;
mod outages;
mod redshift;
mod resync;
mod secrets;
mod two_runners;
