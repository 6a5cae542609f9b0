//! Loads tables into Amazon Redshift.
