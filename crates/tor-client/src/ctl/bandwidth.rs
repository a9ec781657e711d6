//! `bandwidth`: a live graph of the bytes of each second.

use std::{collections::VecDeque, io::IsTerminal, sync::mpsc, thread, time::Duration};

use anyhow::Result;
use ratatui::{
    Frame,
    crossterm::event::{self, Event as Key, KeyCode, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Color, Style},
    widgets::{Block, RenderDirection, Sparkline},
};
use serde_json::json;
use tor_ctrl_events::{Bw, Event};

use super::{link::Link, views::bytes};

/// Seconds that are kept: more than any terminal is wide.
const KEPT: usize = 600;

/// The bytes of the last seconds, newest first.
#[derive(Default)]
struct Graph {
    read: VecDeque<u64>,
    written: VecDeque<u64>,
    total: (u64, u64),
}

impl Graph {
    fn add(&mut self, Bw { read, written }: Bw) {
        self.total.0 += read;
        self.total.1 += written;
        for (seconds, amount) in [(&mut self.read, read), (&mut self.written, written)] {
            seconds.push_front(amount);
            seconds.truncate(KEPT);
        }
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let [upper, lower] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(frame.area());
        let halves = [
            (upper, "Download", &self.read, self.total.0, Color::Green),
            (lower, "Upload", &self.written, self.total.1, Color::Cyan),
        ];
        for (area, name, seconds, total, color) in halves {
            let now = seconds.front().copied().unwrap_or_default();
            let width = usize::from(area.width.saturating_sub(2));
            let most = seconds.iter().take(width).copied().max().unwrap_or_default();
            let amount = |count: u64| bytes(&count.to_string());
            let title = format!(
                " {name} {}/s · most {}/s · total {} · q: quit ",
                amount(now),
                amount(most),
                amount(total)
            );
            let shown: Vec<u64> = seconds.iter().take(width).copied().collect();
            let graph = Sparkline::default()
                .block(Block::bordered().title(title))
                .data(&shown)
                .direction(RenderDirection::RightToLeft)
                .style(Style::default().fg(color));
            frame.render_widget(graph, area);
        }
    }
}

/// Draws until `q` is pressed or the client is gone; without a terminal, or for scripts, a line a second.
#[expect(clippy::print_stdout, reason = "that is what was asked for")]
pub(crate) fn show(mut link: Link, as_json: bool) -> Result<()> {
    link.listen(&["BW"])?;
    if as_json || !std::io::stdout().is_terminal() {
        while let Some(text) = link.event()? {
            let Ok(Event::Bw(Bw { read, written })) = Event::parse(&text) else { continue };
            if as_json {
                println!("{}", json!({ "read": read, "written": written }));
            } else {
                println!("read {} written {}", bytes(&read.to_string()), bytes(&written.to_string()));
            }
        }
        return Ok(());
    }
    let (sender, seconds) = mpsc::channel();
    let reader = move || {
        while let Ok(Some(text)) = link.event() {
            let Ok(Event::Bw(second)) = Event::parse(&text) else { continue };
            if sender.send(second).is_err() {
                return;
            }
        }
    };
    // It ends with the process.
    let _reader = thread::Builder::new().spawn(reader)?;
    ratatui::run(|terminal| {
        let mut graph = Graph::default();
        loop {
            terminal.draw(|frame| graph.draw(frame))?;
            if event::poll(Duration::from_millis(100))?
                && let Key::Key(key) = event::read()?
            {
                let interrupt =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return Ok(());
                }
            }
            loop {
                match seconds.try_recv() {
                    Ok(second) => graph.add(second),
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => {
                        anyhow::bail!("the client closed the connection")
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::{Terminal, backend::TestBackend};

    #[test]
    fn the_newest_second_is_at_the_right() {
        let mut graph = Graph::default();
        graph.add(Bw { read: 0, written: 0 });
        graph.add(Bw { read: 2048, written: 10 });
        let mut terminal = Terminal::new(TestBackend::new(60, 10)).unwrap();
        terminal.draw(|frame| graph.draw(frame)).unwrap();
        let screen = format!("{}", terminal.backend());
        assert!(screen.contains("Download 2.0 KB/s"), "{screen}");
        assert!(screen.contains("Upload 10 B/s"), "{screen}");
    }
}
