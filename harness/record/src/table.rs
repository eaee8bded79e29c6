//! The comparison as text for a terminal: the table, what must be read with it, and the verdict in sentences.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};

use crate::conclusions;
use crate::figures::Figures;
use crate::{Key, RunInfo, Summary, Verdict};

/// The table of metrics and engines, at most `width` columns wide, without colour.
pub fn render(info: &RunInfo, summary: &[(Key, Summary)], width: u16) -> String {
    let figures = Figures::of(info, summary);
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table
        .load_style(TableStyle::new().header_separator(rule))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let header = figures.engines.iter().map(|name| Cell::new(name).set_alignment(CellAlignment::Right));
    table.set_header(std::iter::once(Cell::new("")).chain(header));
    for group in &figures.groups {
        let title = Cell::new(&group.title);
        table.add_row(std::iter::once(title).chain(figures.engines.iter().map(|_| Cell::new(""))));
        for row in &group.rows {
            let cells = row.cells.iter().map(|cell| Cell::new(cell.text()).set_alignment(CellAlignment::Right));
            table.add_row(std::iter::once(Cell::new(format!("  {}", row.label))).chain(cells));
        }
    }
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(32)));
    }
    let mut text = table.to_string();
    for note in &figures.notes {
        push_wrapped(&mut text, "", note, width);
    }
    text.push_str("\n\nVerdict: ");
    text.push_str(info.verdict.map_or("not checked", Verdict::name));
    for sentence in conclusions::of(info, summary) {
        push_wrapped(&mut text, "- ", &sentence, width);
    }
    text.push('\n');
    text
}

/// Adds a paragraph on lines of its own, broken between words, after a bullet or none.
fn push_wrapped(text: &mut String, bullet: &str, paragraph: &str, width: u16) {
    let indent = " ".repeat(bullet.len());
    let mut line = format!("\n{bullet}");
    let mut is_first_word = true;
    for word in paragraph.split_whitespace() {
        if !is_first_word && line.chars().count() + word.chars().count() > usize::from(width) {
            text.push_str(&line);
            line = format!("\n{indent}");
            is_first_word = true;
        }
        if !is_first_word {
            line.push(' ');
        }
        line.push_str(word);
        is_first_word = false;
    }
    text.push_str(&line);
}
