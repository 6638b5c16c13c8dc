// A case for the box, made of numbers: see ENCLOSURE.md. Lengths in mm.

part = "both";          // tray, lid, both, fit (a thin slice to try the holes)
board = "pi";           // pi (3, 4, 5) or zero

wall = 2.0;
gap = 0.3;              // between parts that slide into each other
air = 1.5;              // around the board
height = 34;            // inside: the board, a perfboard on its header, the cables
post = 4;               // under the board
camera_hole = 9.0;      // Camera Module 3: 9, Module 2: 8
status_led = 5.2;       // hole for a 5 mm LED
warning_led = 5.2;      // 8.2 for 8 mm ones
warning_leds = 2;
button_hole = 12.2;
buzzer = 14;            // field of sound holes

board_x = board == "zero" ? 65 : 85;
board_y = board == "zero" ? 30 : 56;
holes_x = 58;
holes_y = board == "zero" ? 23 : 49;
hole_in = 3.5;          // from the edge of the board to the middle of a hole
camera_x = 25;
camera_y = 24;

inner_x = max(board_x, 70) + 2 * air;
inner_y = max(board_y, 56) + 2 * air;
outer_x = inner_x + 2 * wall;
outer_y = inner_y + 2 * wall;

$fn = 48;

module plate(x, y, z, r = 3) {
    linear_extrude(z) offset(r) offset(-r) square([x, y]);
}

module board_holes() {
    for (x = [0, holes_x], y = [0, holes_y])
        translate([wall + air + hole_in + x, wall + air + hole_in + y]) children();
}

module tray() {
    difference() {
        plate(outer_x, outer_y, wall + post + height);
        translate([wall, wall, wall]) plate(inner_x, inner_y, post + height + 1, 1.5);
        // Cables: power and the ports, one long side and one short side open above the board.
        translate([wall + 8, -1, wall + post]) cube([board_x - 16, wall + 2, 16]);
        translate([outer_x - wall - 1, wall + 4, wall + post]) cube([wall + 2, inner_y - 8, 18]);
        // The card, from the other short side.
        translate([-1, wall + air + board_y / 2 - 8, wall + post - 3]) cube([wall + 2, 16, 5]);
        for (x = [12 : 8 : outer_x - 12])           // air, from below and from behind
            translate([x, outer_y - wall - 1, wall + 8]) cube([3, wall + 2, height - 12]);
        board_holes() translate([0, 0, -1]) cylinder(d = 2.7, h = wall + post + 2);
    }
    board_holes() difference() {
        cylinder(d = 6, h = wall + post);
        translate([0, 0, -1]) cylinder(d = 2.7, h = wall + post + 2);
        translate([0, 0, -0.01]) cylinder(d = 5.2, h = 2, $fn = 6);    // the nut
    }
}

module lid() {
    middle = outer_x / 2;
    camera = outer_y - 20;
    difference() {
        union() {
            plate(outer_x, outer_y, wall);
            // The rim that holds it in the tray.
            translate([wall + gap, wall + gap, wall]) difference() {
                plate(inner_x - 2 * gap, inner_y - 2 * gap, 4, 1.5);
                translate([1.6, 1.6, -1])
                    plate(inner_x - 2 * gap - 3.2, inner_y - 2 * gap - 3.2, 6, 1);
            }
            translate([middle - 10.5, camera - 6.25, wall]) for (x = [0, 21], y = [0, 12.5])
                translate([x, y]) cylinder(d = 4.5, h = 3);
        }
        translate([middle, camera, -1]) cylinder(d = camera_hole, h = wall + 2);
        translate([middle - 10.5, camera - 6.25, 0.8]) for (x = [0, 21], y = [0, 12.5])
            translate([x, y]) cylinder(d = 1.8, h = 5);                // M2, cuts its own thread
        translate([middle + camera_x / 2 + 8, camera, -1]) cylinder(d = status_led, h = wall + 2);
        for (n = [0 : warning_leds - 1])
            translate([middle + (n - (warning_leds - 1) / 2) * 24, camera - 18, -1])
                cylinder(d = warning_led, h = wall + 2);
        translate([middle - 20, 12, -1]) cylinder(d = button_hole, h = wall + 2);
        translate([middle + 20, 12, -1]) for (x = [-1, 0, 1], y = [-1, 0, 1])
            translate([x * buzzer / 3.5, y * buzzer / 3.5]) cylinder(d = 2, h = wall + 2);
    }
}

if (part == "tray") tray();
if (part == "lid") lid();
if (part == "both") {
    tray();
    translate([0, outer_y + 10, 0]) lid();
}
if (part == "fit") {
    intersection() {
        tray();
        translate([-1, -1, -1]) cube([outer_x + 2, outer_y + 2, 1 + wall + post]);
    }
    translate([0, outer_y + 10, 0]) intersection() {
        lid();
        translate([-1, -1, -1]) cube([outer_x + 2, outer_y + 2, 2]);
    }
}
