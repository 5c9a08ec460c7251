// SPDX-License-Identifier: Apache-2.0
package weir.compat;

/** What travels as JSON. */
public record Order(String id, int amount, String note) {
}
