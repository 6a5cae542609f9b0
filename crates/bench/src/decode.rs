//! Pages to Arrow, one core: our decoder next to the SDK's types, a `serde_json` visitor, and a search for quotes.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use arrow_array::RecordBatch;
use bytes::Bytes;
use commutator_core::{ChangeBatch, Column, LogicalType, Op, Sequence};
use commutator_source_dynamodb::bench::PageDecoder;

use crate::clock::{measured, median};
use crate::dataset::{Dataset, KEY};
use crate::same;
use crate::sdk::Sdk;
use crate::visitor::SerdeJson;

/// The response that is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// A page of items.
    Scan,
    /// A page of a stream's records.
    GetRecords,
}

/// A way from bytes to Arrow; the last one only finds the quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The source's decoder.
    Commutator,
    /// The SDK's deserializer, and its types converted.
    Sdk,
    /// Visitors of `serde_json`.
    SerdeJson,
    /// `memchr` from quote to quote.
    Memchr,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Commutator, Self::Sdk, Self::SerdeJson, Self::Memchr];

    /// Returns the way of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let names = ["commutator", "sdk", "serde_json", "memchr"];
        names.into_iter().zip(Self::ALL).find(|(other, _)| *other == name).map(|(_, way)| way)
    }
}

/// One case: pages of one data set.
#[derive(Debug)]
pub struct Case {
    dataset: Dataset,
    response: Response,
    bodies: Vec<Bytes>,
}

/// What was measured of a case: the medians of all rounds.
#[derive(Debug)]
pub struct Measured {
    /// The data set and the response.
    pub case: String,
    /// Bytes of JSON for each item, with its share of the page's other members.
    pub item_bytes: f64,
    /// Nanoseconds of CPU time for each byte, by way.
    pub byte_ns: [f64; 4],
    /// How many times our time each way takes within the same round.
    pub ratios: [f64; 4],
}

/// The decoders; each learns from page to page.
#[derive(Debug)]
pub struct Decoders {
    response: Response,
    ours: PageDecoder,
    sdk: Sdk,
    serde_json: SerdeJson,
}

impl Decoders {
    /// Creates decoders for such responses.
    pub fn new(response: Response) -> Result<Self> {
        let ours = PageDecoder::new(vec![Column::key(KEY, LogicalType::Text)]);
        Ok(Self { response, ours, sdk: Sdk::new()?, serde_json: SerdeJson::new() })
    }

    fn ours(&mut self, body: &Bytes) -> Result<Vec<ChangeBatch>> {
        let batches = match self.response {
            Response::Scan => self.ours.scan_page(body),
            Response::GetRecords => self.ours.records_page(body),
        };
        batches.context("our decoder")
    }

    /// Decodes a page in one way, and returns how many rows it has, or how many quotes were found.
    pub fn decode(&mut self, way: Way, body: &Bytes) -> Result<usize> {
        let rows = match (way, self.response) {
            (Way::Commutator, _) => black_box(self.ours(body)?).iter().map(ChangeBatch::len).sum(),
            (Way::Sdk, Response::Scan) => black_box(self.sdk.scan_page(body)?).num_rows(),
            (Way::Sdk, Response::GetRecords) => black_box(self.sdk.records_page(body)?).0.num_rows(),
            (Way::SerdeJson, Response::Scan) => black_box(self.serde_json.scan_page(body)?).num_rows(),
            (Way::SerdeJson, Response::GetRecords) => black_box(self.serde_json.records_page(body)?).0.num_rows(),
            (Way::Memchr, _) => memchr::memchr_iter(b'"', body).map(black_box).fold(0, |quotes, _| quotes + 1),
        };
        Ok(rows)
    }

    /// Holds that all ways read the same of a page.
    fn check(&mut self, body: &Bytes) -> Result<()> {
        let ours = self.ours(body)?;
        let rows: Vec<RecordBatch> = ours.iter().map(|batch| batch.rows().clone()).collect();
        let theirs = match self.response {
            Response::Scan => [self.sdk.scan_page(body)?, self.serde_json.scan_page(body)?],
            Response::GetRecords => {
                let ops: Vec<_> = ours.iter().flat_map(ChangeBatch::ops).copied().collect();
                let rows = |(rows, changes): (RecordBatch, Vec<(Op, Sequence)>)| {
                    ensure!(changes.iter().map(|(op, _)| *op).eq(ops.iter().copied()), "other operations");
                    ensure!(changes.is_sorted_by_key(|(_, sequence)| *sequence), "records out of order");
                    Ok(rows)
                };
                [rows(self.sdk.records_page(body)?)?, rows(self.serde_json.records_page(body)?)?]
            }
        };
        same::check(&rows, &theirs[0]).context("our decoder and the SDK")?;
        same::check(&rows, &theirs[1]).context("our decoder and serde_json")
    }
}

impl Case {
    /// Makes the pages of a case.
    pub fn new(dataset: Dataset, response: Response, seed: u64, pages: u64) -> Self {
        let bodies = match response {
            Response::Scan => dataset.scan_bodies(seed, pages),
            Response::GetRecords => dataset.records_bodies(seed, pages),
        };
        Self { dataset, response, bodies }
    }

    /// Returns the pages.
    pub fn bodies(&self) -> &[Bytes] {
        &self.bodies
    }

    /// Holds that all ways read the same of the first two pages; a second page is read with what was learned from the first one.
    pub fn check(&self) -> Result<()> {
        let mut decoders = Decoders::new(self.response)?;
        self.bodies.iter().take(2).try_for_each(|body| decoders.check(body))
    }

    /// Measures so many rounds, in each of which every way reads the same pages, one way after the other.
    pub fn measure(&self, rounds: usize) -> Result<Measured> {
        let mut decoders = Decoders::new(self.response)?;
        let items = self.round(&mut decoders, Way::Commutator)?.rows;
        let bytes: usize = self.bodies.iter().map(Bytes::len).sum();
        let mut times = Vec::with_capacity(rounds);
        for round in 0..=rounds {
            let mut ns = [0.0; 4];
            for i in 0..Way::ALL.len() {
                // Nobody always comes first.
                let way = (round + i) % Way::ALL.len();
                ns[way] = self.round(&mut decoders, Way::ALL[way])?.byte_ns;
            }
            // The first round only warms up.
            if round > 0 {
                times.push(ns);
            }
        }
        let over = |of: &dyn Fn(&[f64; 4], usize) -> f64| {
            [0, 1, 2, 3].map(|way| median(times.iter().map(|ns| of(ns, way)).collect()))
        };
        let response = if self.response == Response::Scan { "Scan" } else { "GetRecords" };
        Ok(Measured {
            case: format!("{}, {response}", self.dataset.name()),
            item_bytes: float(bytes) / float(items),
            byte_ns: over(&|ns, way| ns[way]),
            ratios: over(&|ns, way| ns[way] / ns[0]),
        })
    }

    fn round(&self, decoders: &mut Decoders, way: Way) -> Result<Round> {
        // The SDK is slow enough to be measured on a third.
        let pages = if way == Way::Sdk { self.bodies.len().div_ceil(3) } else { self.bodies.len() };
        let bodies = &self.bodies[..pages];
        let (time, rows) = measured(|| bodies.iter().map(|body| decoders.decode(way, body)).sum::<Result<usize>>());
        let bytes: usize = bodies.iter().map(Bytes::len).sum();
        Ok(Round { rows: rows?, byte_ns: nanoseconds(time) / float(bytes) })
    }
}

struct Round {
    rows: usize,
    byte_ns: f64,
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

/// Counts here are far below what a float holds exactly.
fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Writes the results as a Markdown table.
pub fn table(results: &[Measured]) -> String {
    let line = |Measured { case, item_bytes, byte_ns, ratios }: &Measured| {
        let [ours, sdk, serde_json, memchr] = byte_ns.map(|ns| 1e3 / ns);
        let [_, to_sdk, to_serde_json, to_memchr] = ratios;
        let items = ours * 1e6 / item_bytes;
        format!(
            "| {case} | {item_bytes:.0} | {ours:.0} | {items:.0} | {sdk:.0} | {serde_json:.0} | {memchr:.0} \
             | {to_sdk:.1} | {to_serde_json:.2} | {to_memchr:.2} |\n"
        )
    };
    HEAD.to_owned() + &results.iter().map(line).collect::<Vec<_>>().concat()
}

const HEAD: &str = "\
| case | bytes/item | MB/s | items/s | SDK MB/s | serde_json MB/s | memchr MB/s | × SDK | × serde_json | × memchr |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_read_the_same() {
        for dataset in Dataset::ALL {
            Case::new(dataset, Response::Scan, 7, 1).check().unwrap();
        }
        Case::new(Dataset::Typical, Response::GetRecords, 7, 1).check().unwrap();
    }

    #[test]
    fn a_difference_is_noticed() {
        let mut case = Case::new(Dataset::Narrow, Response::Scan, 7, 1);
        let ours = PageDecoder::new(vec![Column::key(KEY, LogicalType::Text)]).scan_page(&case.bodies[0]).unwrap();
        let rows: Vec<_> = ours.iter().map(|batch| batch.rows().clone()).collect();
        case.bodies = Dataset::Narrow.scan_bodies(8, 1);
        let theirs = SerdeJson::new().scan_page(&case.bodies[0]).unwrap();
        same::check(&rows, &theirs).unwrap_err();
    }
}
