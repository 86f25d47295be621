"""Bills of materials: one record from stored evidence, written as CycloneDX and as SPDX, checked before it leaves."""
