use super::random::Random;

const SHORTEST: u64 = 3;

/// Up to below `longest` letters, one in 13 of them `special`, without space around.
pub(super) fn text(random: &mut Random, longest: u64, special: char) -> String {
    let length = SHORTEST + random.below(longest - SHORTEST);
    let letters = (0..length).map(|_| if random.below(13) == 0 { special } else { letter(random) });
    letters.collect::<String>().trim().to_owned()
}

fn letter(random: &mut Random) -> char {
    char::from(b'a' + random.below(26) as u8)
}

/// What fills up an event of `size` bytes to about `average`: 80 to 120 % of what is missing.
pub(super) fn filling(random: &mut Random, size: usize, average: usize) -> String {
    let Some(missing) = average.checked_sub(size) else { return String::new() };
    let spread = (missing as f64 * 0.2).round() as usize;
    let more = if spread == 0 { 0 } else { random.below(2 * spread as u64) as usize };
    let length = missing - spread + more;
    // As in Java six letters of one random number, as 26^6 < 2^31: filling is most of the work.
    let mut text = String::with_capacity(length + 5);
    while text.len() < length {
        let mut digits = random.next() >> 33;
        for _ in 0..6 {
            text.push(char::from(b'a' + (digits % 26) as u8));
            digits /= 26;
        }
    }
    text.truncate(length);
    text
}

/// In cents: 100 * 10^U, U uniform from 0 to below 6.
pub(super) fn price(random: &mut Random) -> i64 {
    (10_f64.powf(random.fraction() * 6.0) * 100.0).round() as i64
}

const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const COLD_CHANNELS: u64 = 10_000;

/// Where bids come from: the channels' names and URLs.
pub(super) struct Channels {
    hot: Vec<(String, String)>,
    cold: Vec<(String, String)>,
}

impl Channels {
    pub(super) fn new(seed: u64) -> Self {
        // From the other end of the numbers than the events.
        let mut random = Random::new(seed, u64::MAX);
        let hot = HOT_CHANNELS.map(|name| (name.to_owned(), url(&mut random)));
        let cold = (0..COLD_CHANNELS).map(|number| {
            let mut url = url(&mut random);
            if random.below(10) > 0 {
                url += &format!("&channel_id={}", (number as i32).reverse_bits().unsigned_abs());
            }
            (format!("channel-{number}"), url)
        });
        let cold = cold.collect();
        Channels { hot: hot.into(), cold }
    }

    /// A channel and its URL: one of four for half of the bids, one of 10,000 for the others.
    pub(super) fn draw(&self, random: &mut Random) -> (String, String) {
        let all = if random.below(2) > 0 { &self.hot } else { &self.cold };
        random.one_of(all).clone()
    }
}

fn url(random: &mut Random) -> String {
    let [one, two, three] = std::array::from_fn(|_| text(random, 5, '_'));
    format!("https://www.nexmark.com/{one}/{two}/{three}/item.htm?query=1")
}
