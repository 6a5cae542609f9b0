//! What a suite found, as a Markdown table.

use super::{Group, Line};
use crate::clock::median;
use crate::process::Taken;
use crate::serve::Served;

const HEAD: &str = "\
| who | cores | items/s CPU | MB/s CPU | items/s | MB/s | peak MB | written MB | CPU × ours | wall × ours |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

/// Returns the table of a group; every figure is the median of the rounds, ratios are taken within a round.
pub(super) fn table(group: &Group, lines: &[Line], served: &Served) -> String {
    let title = format!(
        "\n**{}**: {} items, {:.0} MB of JSON, {} {}\n\n",
        group.title,
        served.rows,
        float(served.bytes) / 1e6,
        group.rounds,
        if group.rounds == 1 { "round" } else { "rounds" },
    );
    title + HEAD + &lines.iter().map(|line| row(line, ours(lines, line.cores), served)).collect::<String>()
}

fn ours(lines: &[Line], cores: usize) -> &[Taken] {
    lines.iter().find(|line| line.cores == cores).map_or(&[], |line| &line.rounds)
}

fn row(line: &Line, ours: &[Taken], served: &Served) -> String {
    let of = |figure: &dyn Fn(&Taken) -> f64| median(line.rounds.iter().map(figure).collect());
    let (cpu, wall) = (of(&|taken| taken.cpu), of(&|taken| taken.wall));
    let times = |figure: &dyn Fn(&Taken) -> f64| {
        median(line.rounds.iter().zip(ours).map(|(taken, ours)| figure(taken) / figure(ours)).collect())
    };
    let (rows, mb) = (float(served.rows), float(served.bytes) / 1e6);
    format!(
        "| {} | {} | {:.0} | {:.1} | {:.0} | {:.1} | {:.0} | {:.1} | {:.2} | {:.2} |\n",
        line.name,
        line.cores,
        rows / cpu,
        mb / cpu,
        rows / wall,
        mb / wall,
        of(&|taken| float(taken.peak) / 1e6),
        of(&|taken| float(taken.bytes) / 1e6),
        times(&|taken| taken.cpu),
        times(&|taken| taken.wall),
    )
}

/// Counts here are far below what a float holds exactly.
fn float(count: u64) -> f64 {
    let (high, low) = (count >> 32, count & u64::from(u32::MAX));
    let part = |part: u64| u32::try_from(part).map_or(f64::MAX, f64::from);
    part(high) * 4_294_967_296.0 + part(low)
}
