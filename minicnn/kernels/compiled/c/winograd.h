/* Winograd's method: how tiles lie in scratch memory, for its two pages. */
#ifndef MINICNN_WINOGRAD_H
#define MINICNN_WINOGRAD_H

#include "convolution.h"

/* Tiles that a product takes: HALF with two vectors of filters, or a BLOCK with one. */
#if MANY_REGISTERS
enum { HALF = 8 };
#else
enum { HALF = 6 };
#endif
enum { BLOCK = 2 * HALF };

#define POINT (BLOCK * LANES)  /* numbers of a block at a point, for a vector of channels */
#define POINTS (16 * POINT)    /* and at all points */

#define FOUR(i) _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++)
/* Loops over sums that stay in registers. */
#define EACH(i, count) _Pragma("GCC unroll 16") for (int i = 0; i < (count); i++)

/* Filters that a product takes at a time. */
INLINE Index width_of(Index left) { return left > LANES ? 2 * LANES : LANES; }

/* Where a tile of a group lies, of so many channels. */
INLINE Index place_of(Index tile, Index channels) {
    return tile / BLOCK * BLOCK * widened(channels) * 16 + tile % BLOCK * LANES;
}

/* Blocks of tiles in a group, for which that memory is enough. */
INLINE Index blocks_in(Index bytes, Index inputs, Index outputs) {
    return most(bytes / (16 * BLOCK * (widened(inputs) + widened(outputs)) * (Index)sizeof(T)), 1);
}

/* A tile of what is made, and the one after it. */
typedef struct {
    Index image, row, column;
} Tile;

INLINE Tile tile_after(Tile t, Index rows, Index columns) {
    if ((t.column += 2) < columns)
        return t;
    if ((t.row += 2) < rows)
        return (Tile){t.image, t.row, 0};
    return (Tile){t.image + 1, 0, 0};
}

/* V of so many tiles of rows x columns pixels of each image, from a tile on; the tile after them. */
Tile NAME(winograd_tiles)(const Source *from, Index inputs, Tile tile, Index count, Index rows,
                          Index columns, const T *zeros, T *v);

#endif
