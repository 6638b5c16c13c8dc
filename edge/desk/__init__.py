"""How a phone is judged. Everything here is pure: values in, values out, nothing remembered.

**What is seen.** A few times a second one of the eyes looks at one window of the picture: the
whole, whoever sits there, the part of them before which things are held, or something that may be
a phone (`attention`).
It answers with boxes and scores. A score becomes log-odds, log(p / (1 - p)); where another name
for the same box is surer, the difference is taken off: what looks more like a remote control than
like a phone is less of a phone (`evidence`). What a head says as a whole of a phone at its ear is
added to the odds of one that is seen there, or is one that may be there (`calls`).

**What is followed.** Boxes that continue a thing are joined to it, and what continues nothing is a
new one (`tracks`). A look that shows a thing's place without seeing it there counts against it
as log-odds of 3 %. What the looks of the last second and a half say together is their *mean*:
looks of one eye at one grip hardly say more together than each alone, so they must not be added up
as if they were independent (of a held phone's score four fifths of the variance stay the same
within a grip). Looks in which the thing is a few pixels count for less. Many weak looks that agree
so say more than one strong one, a look that saw nothing confirms nothing, and two eyes of
different making, which err differently, help each other.

**What it is doing.** A phone on the desk is no matter. For each thing there is a belief, in
log-odds, that it is in a hand rather than lying (`motion`): a hidden Markov model of two states
(Rabiner 1989, doi:10.1109/5.18626). What moves it are the pixels at its place first (`pixels`): the
boxes of a half-seen thing jump while it lies, and hardly move with one that is held still, but what
lies leaves its pixels as they are, shows them again when a hand that was over it has gone, and had
them before it was first seen. Grids of grey cells from a fifth of a second to a minute ago are kept
for that, and one of when a thing was last seen to lie. Only where pixels differ do boxes say
anything: by the ratio of two normal densities, of a box that is off by its measured noise, or sways
with a hand by a sixth of its size. One look counts for each 0.3 s. What appears by pixels that were
not there is taken to be held, anything else to lie; what is seen where something lies, by other
pixels than it had, is something else, or what a hand leaves to be seen of it.

**What follows.** A thing that is likely enough a phone (the threshold of the set of eyes in
`models/manifest.toml`, or the configuration's) and believed to be in a hand is a phone in use: a
light, after the hold. A sound takes more evidence, over three seconds. What lies is remembered for
a minute where it lay, seen or not; it may be covered, and is no pick-up when it shows again.

    geometry   boxes that say the same, and how far one has gone
    evidence   scores, log-odds, means
    calls      phones at ears, which hardly any box shows
    motion     held or lying
    pixels     whether the pixels at a place are those that were there
    tracks     what is followed, and its life from the first look to the last
    people     who sits where
    docks      phones in their docks
    view       whether the camera sees the desk at all
    attention  where to look next
    still      all eyes at one still picture
    observe    one frame: all of these together
"""
