//! The built program against DynamoDB Local, Postgres and S3, compared by Python programs that share no code with it.

mod access;
mod dead_letters;
mod fixture;
mod impostor;
mod kills;
mod kinds;
mod resync;
mod secrets;
mod two_runners;
