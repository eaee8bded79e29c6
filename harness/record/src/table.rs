//! The comparison as text for a terminal.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};

use crate::figures::Figures;
use crate::{Key, RunInfo, Summary};

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
        text.push_str(&format!("\n{note}"));
    }
    text.push('\n');
    text
}
