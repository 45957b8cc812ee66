//! Bars as SVG.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Results;
use crate::comparison::Comparison;

const WIDTH: u32 = 760;
const ROW: u32 = 24;
const TOP: u32 = 36;
/// Where bars begin, and where the longest ends.
const LEFT: i32 = 250;
const RIGHT: i32 = 640;

/// One bar: its name, its length, and the ends of the whisker on it.
struct Bar {
    name: String,
    value: f64,
    range: Option<(f64, f64)>,
}

/// Draws what there is into files in `folder` whose names begin with `stem`. Gives the title and the name of each.
pub(super) fn draw(results: &Results, folder: &Path, stem: &str) -> Result<Vec<(String, String)>> {
    let mut plots = Vec::new();
    let mut add = |title: String, name: &str, bars: &[Bar]| -> Result<()> {
        let file = format!("{stem}-{}.svg", name.replace(' ', "-"));
        bar_chart(&folder.join(&file), &title, bars).with_context(|| format!("drawing {file}"))?;
        plots.push((title, file));
        Ok(())
    };
    for comparison in results.comparisons.iter().chain(&results.exactly_once) {
        let workload = &comparison.workload;
        add(format!("{workload}: records/s"), &format!("{workload}-speed"), &speeds(comparison))?;
        add(format!("{workload}: CPU µs a record"), &format!("{workload}-cpu"), &costs(comparison))?;
    }
    for (what, file, title) in [("partition", "partitions", "partitions"), ("bytes", "value-sizes", "sizes of values")]
    {
        let sized = results.sized.iter().filter(|comparison| comparison.workload.contains(what));
        let bars: Vec<Bar> = sized
            .flat_map(|comparison| {
                let size = comparison.workload.split_once(' ').map_or("", |(_, size)| size);
                costs(comparison).into_iter().map(move |bar| Bar { name: format!("{}, {size}", bar.name), ..bar })
            })
            .collect();
        if !bars.is_empty() {
            add(format!("{title}: CPU µs a record"), &format!("{file}-cpu"), &bars)?;
        }
    }
    if !results.latencies.is_empty() {
        let bars = |figure: fn(&crate::latency::Summary) -> f64| -> Vec<Bar> {
            let all = results.latencies.iter();
            all.map(|entry| Bar { name: entry.name.clone(), value: figure(&entry.latency), range: None }).collect()
        };
        add("latency, p50 in ms".to_owned(), "latency-p50", &bars(|summary| summary.p50_ms))?;
        add("latency, p99 in ms".to_owned(), "latency-p99", &bars(|summary| summary.p99_ms))?;
    }
    if !results.idle.is_empty() {
        let bars =
            results.idle.iter().map(|idle| Bar { name: idle.name.clone(), value: idle.cpu_ms_per_s, range: None });
        add("idle: CPU ms a second".to_owned(), "idle", &bars.collect::<Vec<_>>())?;
    }
    Ok(plots)
}

fn speeds(comparison: &Comparison) -> Vec<Bar> {
    let bars = comparison.contestants.iter().map(|standing| {
        let spread = standing.records_per_s;
        Bar { name: standing.name.clone(), value: spread.median, range: Some((spread.min, spread.max)) }
    });
    bars.collect()
}

fn costs(comparison: &Comparison) -> Vec<Bar> {
    let bars = comparison.contestants.iter().map(|standing| {
        let spread = standing.cpu_us_per_record;
        Bar { name: standing.name.clone(), value: spread.median, range: Some((spread.min, spread.max)) }
    });
    bars.collect()
}

/// Where a value is, from left to right.
fn place(value: f64, most: f64) -> i32 {
    LEFT + (f64::from(RIGHT - LEFT) * value / most).round() as i32
}

fn bar_chart(path: &Path, title: &str, bars: &[Bar]) -> Result<()> {
    let area = SVGBackend::new(path, (WIDTH, TOP + ROW * bars.len() as u32 + 12)).into_drawing_area();
    let failed = |error: DrawingAreaErrorKind<_>| anyhow!("{error}");
    area.fill(&WHITE).map_err(failed)?;
    let style = |size: u32, at: HPos| ("sans-serif", size).into_font().color(&BLACK).pos(Pos::new(at, VPos::Center));
    area.draw_text(title, &style(16, HPos::Left), (12, 18)).map_err(failed)?;
    let ends = bars.iter().map(|bar| bar.range.map_or(bar.value, |(_, max)| max));
    let most = ends.fold(f64::MIN_POSITIVE, f64::max);
    for (index, bar) in bars.iter().enumerate() {
        let middle = (TOP + ROW * index as u32 + ROW / 2) as i32;
        let end = place(bar.value, most);
        let color = if bar.name.starts_with("millstream") { RGBColor(31, 119, 180) } else { RGBColor(170, 170, 170) };
        let corners = [(LEFT, middle - 8), (end, middle + 8)];
        area.draw(&Rectangle::new(corners, color.filled())).map_err(failed)?;
        let mut behind = end;
        if let Some((min, max)) = bar.range {
            let (min, max) = (place(min, most), place(max, most));
            area.draw(&PathElement::new(vec![(min, middle), (max, middle)], BLACK)).map_err(failed)?;
            behind = behind.max(max);
        }
        area.draw_text(&bar.name, &style(13, HPos::Right), (LEFT - 8, middle)).map_err(failed)?;
        area.draw_text(&written(bar.value), &style(13, HPos::Left), (behind + 6, middle)).map_err(failed)?;
    }
    area.present().map_err(failed)
}

/// With as many digits as tell something.
fn written(value: f64) -> String {
    match value {
        100.0.. => crate::comparison::grouped(value.round() as u64),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_bar_for_each_that_is_as_long_as_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chart.svg");
        let bar = |name: &str, value, range| Bar { name: name.to_owned(), value, range };
        let bars = [bar("millstream", 50.0, Some((40.0, 60.0))), bar("other", 100.0, Some((100.0, 100.0)))];
        bar_chart(&path, "Speed", &bars).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        for text in ["Speed", "millstream", "other", "50.00", "100"] {
            assert!(svg.lines().any(|line| line == text), "no {text} in {svg}");
        }
        let widths: Vec<i32> = svg
            .lines()
            .filter(|line| line.starts_with("<rect") && line.contains(&format!("x=\"{LEFT}\"")))
            .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(widths, [(RIGHT - LEFT) / 2, RIGHT - LEFT]);
    }

    #[test]
    fn values_are_written_with_the_digits_that_tell() {
        assert_eq!([written(1_234_567.4), written(100.0), written(1.25)], ["1,234,567", "100", "1.25"]);
    }
}
