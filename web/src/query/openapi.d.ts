/** Made by scripts/types.mjs from the server's /openapi.json: do not edit. */
import type { ExactScalar } from "./json.ts";
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * AggregateAnswer
         * @description What a filter leaves of a layer, by groups.
         */
        AggregateAnswer: {
            /**
             * Cells
             * @description Those that have rows: for each group the number of a value, from 0, or of a bin; then what was measured. -1 stands for all values that are not listed, -2 for no value, none that is finite, or no area.
             */
            cells: (number)[][];
            /**
             * Count
             * @description Rows that the filter leaves.
             */
            count: number;
            /** Groups */
            groups: (components["schemas"]["TimeGroup"] | components["schemas"]["CategoryGroup"] | components["schemas"]["NumberGroup"] | components["schemas"]["AreaGroup"])[];
            /** Layer */
            layer: string;
            measure: components["schemas"]["MeasureEntry"];
            /**
             * Overlaps
             * @description True where a row is in several areas, so that counts add up to more than `count`.
             */
            overlaps?: boolean;
            /**
             * Version
             * @description Of the layer's rows.
             */
            version: string;
        };
        /**
         * AreaGroup
         * @description Rows of a layer of polygons, each with all rows whose point, or a point on them, touches it.
         */
        AreaGroup: {
            /**
             * Kind
             * @constant
             */
            kind: "area";
            /** Labels */
            labels: string[];
            /** Layer */
            layer: string;
            /** Title */
            title: string;
            /**
             * Values
             * @description The ids of its features.
             */
            values: number[];
        };
        /**
         * Around
         * @description What of one layer is there.
         */
        Around: {
            /**
             * Count
             * @description Features that the circle touches, of those that the layer's filter leaves.
             */
            count: number;
            /** Layer */
            layer: string;
            /** @description The nearest of them; null where there is none. */
            nearest: components["schemas"]["Nearest"] | null;
        };
        /**
         * Bin
         * @description From `from` up to, not including, `to`; the last bin of numbers includes it.
         */
        Bin: {
            /** Count */
            count: number;
            /** From */
            from: number | string;
            /** To */
            to: number | string;
        };
        /**
         * BinsEntry
         * @description The bins, square cells that stand for features in tiles below `features_from`, in MVT layer `{id}:bins`.
         */
        BinsEntry: {
            /**
             * Facet
             * @description The field whose values are counted in each bin.
             */
            facet: string | null;
            /** Legend */
            legend: components["schemas"]["BinsLegendEntry"][];
            /** Legends */
            legends: components["schemas"]["BinsLegendAt"][];
            /**
             * Title
             * @description What the style calls them; null leaves it to the reader.
             */
            title: string | null;
            /**
             * Title Language
             * @description Of the title, where it is not the layer's.
             */
            title_language?: string;
            /**
             * Values
             * @description Its values with a count of their own, the most frequent first.
             */
            values: string[];
        };
        /**
         * BinsLegendAt
         * @description The classes of bins from a zoom on.
         */
        BinsLegendAt: {
            /** Legend */
            legend: components["schemas"]["BinsLegendEntry"][];
            /** Minzoom */
            minzoom: number;
        };
        /**
         * BinsLegendEntry
         * @description A class of counts from `from` to `to`, both included; `to` is null in the last class.
         */
        BinsLegendEntry: {
            /** Color */
            color: string;
            dark?: components["schemas"]["Look"];
            /**
             * Dash
             * @description Lengths of line and gap, in widths of the line.
             */
            dash?: number[];
            /** From */
            from: number;
            /**
             * Kind
             * @enum {string}
             */
            kind: "circle" | "line" | "fill";
            /** Label */
            label: string;
            /**
             * Language
             * @description Of the label, where it is not the layer's.
             */
            language?: string;
            /** Opacity */
            opacity?: number;
            /**
             * Size
             * @description Radius of a circle, width of a line, in pixels.
             */
            size?: number;
            /**
             * Stroke
             * @description Colour of the outline.
             */
            stroke?: string;
            /**
             * Stroke Width
             * @description Width of a circle's outline, in pixels.
             */
            stroke_width?: number;
            /**
             * Title
             * @description What is measured; it ends in the unit where the labels have no room for it.
             */
            title?: string;
            /**
             * Title Language
             * @description Of the title, where it is not the layer's.
             */
            title_language?: string;
            /** To */
            to: number | null;
            /**
             * Value
             * @description The value or values that are drawn like this.
             */
            value?: components["schemas"]["Scalar"] | components["schemas"]["Scalar"][];
        };
        Bounds: [
            number,
            number,
            number,
            number
        ];
        /**
         * Camera
         * @description The middle of a map, and its zoom.
         */
        Camera: {
            /** Lat */
            lat: number;
            /** Lon */
            lon: number;
            /** Zoom */
            zoom: number;
        };
        /**
         * CategoryGroup
         * @description Values of a field, the most frequent first.
         */
        CategoryGroup: {
            /**
             * Distinct
             * @description How many values there are.
             */
            distinct: number;
            /** Field */
            field: string;
            /**
             * Kind
             * @constant
             */
            kind: "category";
            /**
             * Labels
             * @description What people read for each value.
             */
            labels: string[];
            /**
             * Others
             * @description How many of them are not listed: their cells have the number -1.
             */
            others: number;
            /** Title */
            title: string;
            /** Values */
            values: string[] | boolean[] | number[];
        };
        /** Choice */
        Choice: {
            /** Count */
            count: number;
            /** Label */
            label: string;
            value: components["schemas"]["Scalar"];
        };
        /**
         * CityEntry
         * @description Whose map this is, as `city.toml` says it.
         */
        CityEntry: {
            /** Description */
            description: string;
            home: components["schemas"]["Home"];
            /**
             * Language
             * @description Of these words; null where nobody said.
             */
            language: string | null;
            /**
             * Languages
             * @description Those that the page is offered in.
             */
            languages: string[];
            /** @description Where its rows lie; null where nobody said. */
            limits: components["schemas"]["Bounds"] | null;
            /** Links */
            links: components["schemas"]["CityLink"][];
            /**
             * Logo
             * @description Address of an SVG or PNG.
             */
            logo: string | null;
            /** Publisher */
            publisher: string;
            /** Tagline */
            tagline: string;
            /** Title */
            title: string;
        };
        /** CityLink */
        CityLink: {
            /** Href */
            href: string;
            /**
             * Rel
             * @enum {string}
             */
            rel: "imprint" | "contact" | "terms" | "privacy" | "accessibility" | "signin" | "datasets";
            /** Title */
            title: string;
        };
        /** ClosedGrant */
        ClosedGrant: {
            /** Expected */
            expected: string;
            /**
             * Group
             * @description Name of the group in access.toml.
             */
            group?: string;
            /**
             * Key
             * @description Id of the key.
             */
            key?: string;
            /** Layer */
            layer: string;
        };
        /** Count */
        Count: {
            /** Count */
            count: number;
            value: components["schemas"]["Scalar"];
        };
        /** DownloadEntry */
        DownloadEntry: {
            /**
             * Bytes
             * @description Of the whole layer, roughly.
             */
            bytes: number;
            /**
             * Format
             * @description As `/download/{layer_id}.{format}` names it.
             */
            format: string;
            /** Href */
            href: string;
            /**
             * Limits
             * @description What of this layer the format cannot hold.
             */
            limits: string[];
            /**
             * Lonlat
             * @description Its positions can be longitude and latitude alone; `crs` has no other use.
             */
            lonlat: boolean;
            /** Media Type */
            media_type: string;
            /**
             * Of
             * @enum {string}
             */
            of: "features" | "readings";
            /** Title */
            title: string;
        };
        /** Failing */
        Failing: {
            /** Problem */
            problem: string;
            /**
             * Task
             * @description A part of the server that follows files, changes or the database.
             */
            task: string;
        };
        /**
         * Feature
         * @description A GeoJSON feature in lon/lat (CRS84).
         */
        Feature: {
            /** Geometry */
            geometry: {
                [key: string]: unknown;
            } | null;
            /** Id */
            id: number;
            /** Links */
            links: components["schemas"]["Link"][];
            /** Properties */
            properties: {
                [key: string]: components["schemas"]["Scalar"];
            };
            /**
             * Type
             * @constant
             */
            type: "Feature";
        };
        /**
         * FieldEntry
         * @description A declared field; `choices` with filter=choice, `min` and `max` with filter=range.
         */
        FieldEntry: {
            /**
             * Access Title
             * @description Restricted, in the reader's language, where not everybody sees it.
             */
            access_title?: string;
            /** Choices */
            choices?: components["schemas"]["Choice"][] | null;
            /** Description */
            description: string;
            /**
             * Description Language
             * @description Of the description, where it is another one.
             */
            description_language?: string;
            /**
             * Filter
             * @enum {string}
             */
            filter: "choice" | "range" | "search" | "none";
            /** Labels */
            labels: {
                [key: string]: string;
            };
            /**
             * Labels Language
             * @description Of the labels.
             */
            labels_language: string | null;
            /**
             * Language
             * @description Of title, description and unit.
             */
            language: string | null;
            /** Latest */
            latest: boolean;
            /** Limits */
            limits: components["schemas"]["Threshold"][];
            /** Max */
            max?: number | string | null;
            /** Min */
            min?: number | string | null;
            /** Name */
            name: string;
            /** Title */
            title: string;
            /**
             * Type
             * @enum {string}
             */
            type: "text" | "integer" | "number" | "boolean" | "date" | "timestamp";
            /** Unit */
            unit: string;
            /**
             * Untranslated Labels
             * @description Values whose labels are in `data_language` all the same.
             */
            untranslated_labels?: string[];
        };
        /** FoundFeature */
        FoundFeature: {
            /**
             * At
             * @description A point on it, as longitude and latitude.
             */
            at: number[];
            /**
             * Bounds
             * @description West, south, east, north.
             */
            bounds: number[];
            /** Id */
            id: number;
            /** Layer */
            layer: string;
            /** Layer Title */
            layer_title: string;
            /**
             * Text
             * @description By what it was found, where that is not in its title.
             */
            text: string | null;
            /** Title */
            title: string;
        };
        /** FoundLayer */
        FoundLayer: {
            /**
             * Field
             * @description The field by whose name it was found; else null.
             */
            field: string | null;
            /** Field Title */
            field_title: string | null;
            /** Layer */
            layer: string;
            /** Theme */
            theme: string;
            /** Title */
            title: string;
        };
        /** FoundSpot */
        FoundSpot: {
            /**
             * At
             * @description Longitude and latitude.
             */
            at: number[];
            /**
             * Kind
             * @description The notation: degrees, utm, mgrs, plus, geo, link, or EPSG:2056 and the like.
             */
            kind: string;
            /**
             * Title
             * @description Latitude and longitude, for people.
             */
            title: string;
        };
        /**
         * FoundValue
         * @description A value of a choice field: chosen, it is a filter.
         */
        FoundValue: {
            /** Count */
            count: number;
            /** Field */
            field: string;
            /** Field Title */
            field_title: string;
            /**
             * Label
             * @description The value, in the reader's language where the layer file has it.
             */
            label: string;
            /** Layer */
            layer: string;
            /** Layer Title */
            layer_title: string;
            value: components["schemas"]["Scalar"];
        };
        /**
         * FreezeWish
         * @description A map to be frozen.
         */
        FreezeWish: {
            /**
             * Everybody
             * @description Keep what everybody may see alone, whatever you may see, so that all may see it.
             * @default false
             */
            everybody?: boolean;
            /**
             * Link
             * @description The address of the map, or what stands in it from `?` on.
             * @example ?layers=crime&filter.crime=category%20=%20'burglary'
             */
            link: string;
            /**
             * Title
             * @description What it is called; else the titles of its layers.
             * @default
             */
            title?: string;
        };
        /**
         * GrantEntry
         * @description What a key may do with some layers.
         */
        GrantEntry: {
            /**
             * Fields
             * @description Restricted fields that may be seen, or * for all of them.
             * @default []
             */
            fields?: string[];
            /**
             * Layers
             * @description Ids of layers, or * for all of them.
             */
            layers: string[];
            /**
             * May
             * @default [
             *       "read"
             *     ]
             */
            may?: ("read" | "write" | "manage")[];
            /**
             * Rows
             * @description CQL2: these rows and no others; all of them if empty.
             * @default
             */
            rows?: string;
        };
        /** Health */
        Health: {
            /**
             * Status
             * @constant
             */
            status: "alive";
        };
        /**
         * Here
         * @description What is within so many metres of a place.
         */
        Here: {
            /**
             * At
             * @description Longitude and latitude.
             */
            at: [
                number,
                number
            ];
            /**
             * Layers
             * @description In the order of the layers that were asked for, or of the catalogue.
             */
            layers: components["schemas"]["Around"][];
            /**
             * Radius
             * @description Metres.
             */
            radius: number;
        };
        /** Histogram */
        Histogram: {
            /** Bins */
            bins: components["schemas"]["Bin"][];
            /** Max */
            max: number | string | null;
            /** Min */
            min: number | string | null;
        };
        /**
         * Home
         * @description Where the map opens: a rectangle to be fitted into the view, or else a place and a zoom.
         */
        Home: {
            bounds: components["schemas"]["Bounds"] | null;
            camera: components["schemas"]["Camera"] | null;
        };
        /**
         * KeyEntry
         * @description A key, without the key itself.
         */
        KeyEntry: {
            /** Created */
            created: string;
            /** Created By */
            created_by: string;
            /**
             * Expires
             * @description The instant from which it holds no more.
             */
            expires: string | null;
            /** Grants */
            grants: components["schemas"]["GrantEntry"][];
            /** Id */
            id: string;
            /** Label */
            label: string;
            /** Last Used */
            last_used: string | null;
            /** Quota */
            quota: number | null;
            /** Rate */
            rate: number | null;
            /** Revoked */
            revoked: string | null;
            /**
             * State
             * @enum {string}
             */
            state: "holds" | "expired" | "revoked";
            /** Used Today */
            used_today: number;
        };
        /** KeyList */
        KeyList: {
            /** Keys */
            keys: components["schemas"]["KeyEntry"][];
            /**
             * Next
             * @description The address of the keys that were made after these; null where there are none.
             */
            next: string | null;
        };
        /**
         * KeyWish
         * @description A key to be made.
         */
        KeyWish: {
            /**
             * Expires
             * @description The last day (2030-12-31), or a time with its offset.
             */
            expires?: string | null;
            /** Grants */
            grants: components["schemas"]["GrantEntry"][];
            /**
             * Label
             * @description Who or what it is for.
             */
            label: string;
            /**
             * Quota
             * @description Requests a day (UTC); null for any number.
             */
            quota?: number | null;
            /**
             * Rate
             * @description Requests a minute; null for any number.
             */
            rate?: number | null;
        };
        /** LayerDetail */
        LayerDetail: {
            /**
             * Access
             * @description Who sees it, where not everybody does.
             * @enum {string}
             */
            access?: "restricted" | "draft";
            /**
             * Access Title
             * @description The same as a word in the reader's language.
             */
            access_title?: string;
            /** Attribution */
            attribution: string;
            /**
             * Basemap
             * @description Drawn under the data rather than offered as a dataset.
             */
            basemap: boolean;
            /** @description null where the style draws no bins. */
            bins: components["schemas"]["BinsEntry"] | null;
            /** @description west, south, east, north in degrees; null when the layer is empty. */
            bounds: components["schemas"]["Bounds"] | null;
            /**
             * Count
             * @description Rows; null when the layer has tiles and nothing else.
             */
            count: number | null;
            /**
             * Crs
             * @description In which the rows are stored, as `EPSG:25832`; null where there are none.
             */
            crs: string | null;
            /**
             * Data Language
             * @description Of the values in its rows; null where nobody said.
             */
            data_language: string | null;
            /** Description */
            description: string;
            /**
             * Description Language
             * @description Of the description, where it is another one.
             */
            description_language?: string;
            /** Downloads */
            downloads: components["schemas"]["DownloadEntry"][];
            /**
             * Features From
             * @description The zoom from which on tiles hold every feature.
             */
            features_from: number;
            /**
             * Field Titles
             * @description What its fields are called, to be searched.
             */
            field_titles: string[];
            /** Fields */
            fields: components["schemas"]["FieldEntry"][];
            /**
             * Geometry
             * @description What its rows are on the map; null when that is not one of these, or not known.
             */
            geometry: ("points" | "lines" | "polygons") | null;
            /** Id */
            id: string;
            /** Keywords */
            keywords: string[];
            /**
             * Kind
             * @description The recipe that its tiles are made by, or where else they come from.
             */
            kind: string;
            /**
             * Label
             * @description What titles a feature: text with names of fields in braces.
             */
            label: string | null;
            /**
             * Language
             * @description Of title, description and nouns; null where nobody said.
             */
            language: string | null;
            /** Legend */
            legend: components["schemas"]["LegendEntry"][];
            /**
             * License
             * @description SPDX identifier.
             */
            license: string;
            /** Links */
            links: components["schemas"]["Link"][];
            /** @description That its rows change all the time, where its file says so. */
            live?: components["schemas"]["LiveEntry"];
            /** Notes */
            notes: components["schemas"]["Note"][];
            /** @description What its rows are; null where nobody said it in this language. */
            nouns: components["schemas"]["Nouns"] | null;
            /** Order */
            order: number;
            /** Parameters */
            parameters: components["schemas"]["ParameterEntry"][];
            readings: components["schemas"]["ReadingsEntry"] | null;
            /**
             * Rejected
             * @description Rows of the source that could not be served.
             */
            rejected: number;
            /** Theme */
            theme: string;
            /**
             * Theme Key
             * @description The theme in the first language, where it is said in another one: layers are grouped by it.
             */
            theme_key?: string;
            /**
             * Theme Language
             * @description Of the theme, where it is another one.
             */
            theme_language?: string;
            /**
             * Tiles
             * @description preparing: right, but slower, until all is made ahead.
             * @enum {string}
             */
            tiles: "ready" | "preparing";
            /**
             * Time
             * @description The field that `datetime` acts on.
             */
            time: string | null;
            /** Title */
            title: string;
            /**
             * Updated
             * @description When it was loaded.
             */
            updated: string;
            /**
             * Version
             * @description Of its rows: another one after every load and every edit.
             */
            version: string;
            /**
             * Visible
             * @description Switched on when the viewer opens.
             */
            visible: boolean;
        };
        /**
         * LayerEntry
         * @description A layer as the catalogue lists it.
         */
        LayerEntry: {
            /**
             * Access
             * @description Who sees it, where not everybody does.
             * @enum {string}
             */
            access?: "restricted" | "draft";
            /**
             * Access Title
             * @description The same as a word in the reader's language.
             */
            access_title?: string;
            /** Attribution */
            attribution: string;
            /**
             * Basemap
             * @description Drawn under the data rather than offered as a dataset.
             */
            basemap: boolean;
            /** @description west, south, east, north in degrees; null when the layer is empty. */
            bounds: components["schemas"]["Bounds"] | null;
            /**
             * Count
             * @description Rows; null when the layer has tiles and nothing else.
             */
            count: number | null;
            /**
             * Data Language
             * @description Of the values in its rows; null where nobody said.
             */
            data_language: string | null;
            /** Description */
            description: string;
            /**
             * Description Language
             * @description Of the description, where it is another one.
             */
            description_language?: string;
            /**
             * Features From
             * @description The zoom from which on tiles hold every feature.
             */
            features_from: number;
            /**
             * Field Titles
             * @description What its fields are called, to be searched.
             */
            field_titles: string[];
            /**
             * Geometry
             * @description What its rows are on the map; null when that is not one of these, or not known.
             */
            geometry: ("points" | "lines" | "polygons") | null;
            /** Id */
            id: string;
            /** Keywords */
            keywords: string[];
            /**
             * Kind
             * @description The recipe that its tiles are made by, or where else they come from.
             */
            kind: string;
            /**
             * Label
             * @description What titles a feature: text with names of fields in braces.
             */
            label: string | null;
            /**
             * Language
             * @description Of title, description and nouns; null where nobody said.
             */
            language: string | null;
            /**
             * License
             * @description SPDX identifier.
             */
            license: string;
            /** Links */
            links: components["schemas"]["Link"][];
            /** @description That its rows change all the time, where its file says so. */
            live?: components["schemas"]["LiveEntry"];
            /** @description What its rows are; null where nobody said it in this language. */
            nouns: components["schemas"]["Nouns"] | null;
            /** Order */
            order: number;
            /**
             * Rejected
             * @description Rows of the source that could not be served.
             */
            rejected: number;
            /** Theme */
            theme: string;
            /**
             * Theme Key
             * @description The theme in the first language, where it is said in another one: layers are grouped by it.
             */
            theme_key?: string;
            /**
             * Theme Language
             * @description Of the theme, where it is another one.
             */
            theme_language?: string;
            /**
             * Tiles
             * @description preparing: right, but slower, until all is made ahead.
             * @enum {string}
             */
            tiles: "ready" | "preparing";
            /**
             * Time
             * @description The field that `datetime` acts on.
             */
            time: string | null;
            /** Title */
            title: string;
            /**
             * Updated
             * @description When it was loaded.
             */
            updated: string;
            /**
             * Version
             * @description Of its rows: another one after every load and every edit.
             */
            version: string;
            /**
             * Visible
             * @description Switched on when the viewer opens.
             */
            visible: boolean;
        };
        /** LayerList */
        LayerList: {
            city: components["schemas"]["CityEntry"];
            /** Layers */
            layers: components["schemas"]["LayerEntry"][];
        };
        /**
         * LayerParts
         * @description The list when `fields` are asked for: entries with these members of `LayerEntry`.
         */
        LayerParts: {
            city: components["schemas"]["CityEntry"];
            /** Layers */
            layers: {
                [key: string]: unknown;
            }[];
        };
        /**
         * LegendEntry
         * @description How a style draws one class of a layer's features.
         */
        LegendEntry: {
            /** Color */
            color: string;
            dark?: components["schemas"]["Look"];
            /**
             * Dash
             * @description Lengths of line and gap, in widths of the line.
             */
            dash?: number[];
            /**
             * Kind
             * @enum {string}
             */
            kind: "circle" | "line" | "fill";
            /** Label */
            label: string;
            /**
             * Language
             * @description Of the label, where it is not the layer's.
             */
            language?: string;
            /** Opacity */
            opacity?: number;
            /**
             * Size
             * @description Radius of a circle, width of a line, in pixels.
             */
            size?: number;
            /**
             * Stroke
             * @description Colour of the outline.
             */
            stroke?: string;
            /**
             * Stroke Width
             * @description Width of a circle's outline, in pixels.
             */
            stroke_width?: number;
            /**
             * Title
             * @description What is measured; it ends in the unit where the labels have no room for it.
             */
            title?: string;
            /**
             * Title Language
             * @description Of the title, where it is not the layer's.
             */
            title_language?: string;
            /**
             * Value
             * @description The value or values that are drawn like this.
             */
            value?: components["schemas"]["Scalar"] | components["schemas"]["Scalar"][];
        };
        /** Link */
        Link: {
            /** Href */
            href: string;
            /** Rel */
            rel: string;
            /** Title */
            title: string;
            /** Type */
            type: string;
        };
        /**
         * LiveEntry
         * @description How rows of a layer come and go.
         */
        LiveEntry: {
            /**
             * Age
             * @description Seconds that counts, facets and ranges may be behind the rows.
             */
            age: number;
            /**
             * Expires
             * @description Seconds after `field` when a row leaves; null where it stays.
             */
            expires: number | null;
            /**
             * Field
             * @description The field that tells when a row was true.
             */
            field: string | null;
        };
        /**
         * Look
         * @description What differs on a dark base.
         */
        Look: {
            /** Color */
            color?: string;
            /** Dash */
            dash?: number[];
            /** Opacity */
            opacity?: number;
            /** Size */
            size?: number;
            /** Stroke */
            stroke?: string;
            /** Stroke Width */
            stroke_width?: number;
        };
        /**
         * Me
         * @description Who asks, and what the page says about it.
         */
        Me: {
            /**
             * Freezes
             * @description You may freeze maps: any, or those of layers that you may manage.
             */
            freezes: boolean;
            /**
             * Kind
             * @enum {string}
             */
            kind: "nobody" | "key" | "person";
            /**
             * Name
             * @description The person's name, or what the key is for.
             */
            name: string | null;
            /**
             * Sign Out
             * @description What the way out is called there.
             */
            sign_out: string | null;
            /**
             * Signed In
             * @description Of whoever signed in: that they did, in the reader's language.
             */
            signed_in: string | null;
        };
        /**
         * MeasureEntry
         * @description What is told of each cell.
         */
        MeasureEntry: {
            /**
             * Field
             * @description The number that is measured.
             */
            field?: string;
            /**
             * Of
             * @enum {string}
             */
            of: "count" | "sum" | "avg" | "min" | "max" | "median";
            /** Title */
            title?: string;
            /** Unit */
            unit?: string;
        };
        /**
         * Nearest
         * @description The feature that is nearest to a place.
         */
        Nearest: {
            /**
             * At
             * @description Longitude and latitude of what of it is nearest.
             */
            at: [
                number,
                number
            ];
            /**
             * Distance
             * @description Metres on the ground; 0 where the place is on or in it.
             */
            distance: number;
            /** Fid */
            fid: number;
            /**
             * Title
             * @description What it is called, by the layer's label; empty where it has none.
             */
            title: string;
        };
        /** NewKey */
        NewKey: {
            /** Created */
            created: string;
            /** Created By */
            created_by: string;
            /**
             * Expires
             * @description The instant from which it holds no more.
             */
            expires: string | null;
            /** Grants */
            grants: components["schemas"]["GrantEntry"][];
            /** Id */
            id: string;
            /**
             * Key
             * @description The key: shown this once, and kept nowhere.
             */
            key: string;
            /** Label */
            label: string;
            /** Last Used */
            last_used: string | null;
            /** Quota */
            quota: number | null;
            /** Rate */
            rate: number | null;
            /** Revoked */
            revoked: string | null;
            /**
             * State
             * @enum {string}
             */
            state: "holds" | "expired" | "revoked";
            /** Used Today */
            used_today: number;
        };
        /**
         * Note
         * @description What the last load changed in rows that it kept: values left empty, geometries repaired.
         */
        Note: {
            /** Count */
            count: number;
            /**
             * Example
             * @description One of the values as the source has it; may be empty.
             */
            example: string;
            /**
             * Field
             * @description The field; empty for the geometry.
             */
            field: string;
            /**
             * What
             * @description What was done, and why: "no integer, left empty".
             */
            what: string;
        };
        /**
         * Nouns
         * @description Words for rows: a report, many reports.
         */
        Nouns: {
            /** Many */
            many: string;
            /** One */
            one: string;
        };
        /**
         * NumberGroup
         * @description Bins of a number: from each edge up to, not including, the next; the last bin includes its end.
         */
        NumberGroup: {
            /** Edges */
            edges: number[];
            /** Field */
            field: string;
            /**
             * Kind
             * @constant
             */
            kind: "number";
            /** Title */
            title: string;
            /** Unit */
            unit: string;
        };
        /** Outdated */
        Outdated: {
            /**
             * Changes
             * @description Keys of the layer file that say otherwise, each with what is loaded.
             */
            changes: string[];
            /** Layer */
            layer: string;
            /**
             * Run
             * @description The command that loads it as declared.
             */
            run: string;
        };
        /**
         * ParameterEntry
         * @description What a request for tiles may say to a layer of kind `function`.
         */
        ParameterEntry: {
            /** Choices */
            choices: components["schemas"]["Scalar"][];
            default: components["schemas"]["Scalar"];
            /** Description */
            description: string;
            maximum: components["schemas"]["Scalar"];
            minimum: components["schemas"]["Scalar"];
            /** Name */
            name: string;
            /** Title */
            title: string;
            /**
             * Type
             * @enum {string}
             */
            type: "text" | "integer" | "number" | "boolean" | "date" | "timestamp";
            /** Unit */
            unit: string;
        };
        /** Place */
        Place: {
            /**
             * At
             * @description A point on it, as longitude and latitude.
             */
            at: number[];
            /**
             * Bounds
             * @description West, south, east, north.
             */
            bounds: number[];
            /**
             * Id
             * @description Of the feature, or of a piece of the street.
             */
            id: number;
            /**
             * Kind
             * @description What it is, as the basemap says it.
             */
            kind: string | null;
            /** Layer */
            layer: string;
            /**
             * Near
             * @description The settlement or quarter beside it.
             */
            near: string | null;
            /**
             * Title
             * @description Its name, in the reader's language where it is known; a house's street and number.
             */
            title: string;
        };
        /** Preparing */
        Preparing: {
            /**
             * Done
             * @description Part of its tiles that are prepared, from 0 to 1.
             */
            done: number;
            /** Layer */
            layer: string;
        };
        /**
         * Problem
         * @description What went wrong (RFC 9457): which parameter, which value, and what was expected.
         */
        Problem: {
            /** Detail */
            detail: string;
            /**
             * Expected
             * @default null
             */
            expected?: string | null;
            /**
             * Parameter
             * @default null
             */
            parameter?: string | null;
            /** Status */
            status: number;
            /** Title */
            title: string;
            /** Type */
            type: string;
            /**
             * Value
             * @default null
             */
            value?: string | null;
        };
        /**
         * Readiness
         * @description Whether requests can be answered; `degraded` when something is not as declared, or does not work.
         */
        Readiness: {
            /**
             * Closed
             * @description Grants that open nothing of a layer, for their row filter does not fit it.
             */
            closed?: components["schemas"]["ClosedGrant"][];
            /**
             * Database
             * @description Like all that follows for operators alone.
             */
            database?: string;
            /** Layers */
            layers?: number;
            /** Notloaded */
            notLoaded?: string[];
            /** Outdated */
            outdated?: components["schemas"]["Outdated"][];
            /**
             * Pictures
             * @description ready, or what is missing to draw pictures.
             */
            pictures?: string;
            /** Preparing */
            preparing?: components["schemas"]["Preparing"][];
            /** Problems */
            problems?: components["schemas"]["Trouble"][];
            /**
             * Search
             * @description ready, or why it is slower than it could be.
             */
            search?: string;
            /**
             * Status
             * @enum {string}
             */
            status: "ready" | "degraded" | "unavailable";
            /** Tasks */
            tasks?: components["schemas"]["Failing"][];
        };
        /** ReadingList */
        ReadingList: {
            /** Fid */
            fid: number;
            /** Fields */
            fields: components["schemas"]["FieldEntry"][];
            /** Layer */
            layer: string;
            /** Readings */
            readings: {
                [key: string]: components["schemas"]["Scalar"];
            }[];
            /** Time */
            time: string;
        };
        /** ReadingsEntry */
        ReadingsEntry: {
            /** Fields */
            fields: components["schemas"]["FieldEntry"][];
            /** Time */
            time: string;
        };
        /** Reject */
        Reject: {
            /**
             * Line
             * @description Line or row in the source.
             */
            line: number;
            /**
             * Raw
             * @description Its values of declared fields, as name=value; empty where columns cannot be told apart.
             */
            raw: string;
            /** Reason */
            reason: string;
        };
        /** RejectList */
        RejectList: {
            /** Count */
            count: number;
            /** Rejects */
            rejects: components["schemas"]["Reject"][];
        };
        /**
         * RowMarks
         * @description Cursors at evenly spaced rows.
         */
        RowMarks: {
            /**
             * Count
             * @description Rows that the filter leaves.
             */
            count: number;
            /**
             * Cursors
             * @description The first leads to the page of items that begins after `every` rows, the second after twice as many; null where the values to sort by are too long for one.
             */
            cursors: (string | null)[];
            /**
             * Every
             * @description Rows from one cursor to the next.
             */
            every: number;
            /** Layer */
            layer: string;
        };
        /**
         * RowPlace
         * @description Where one feature stands.
         */
        RowPlace: {
            /**
             * Count
             * @description Rows that the filter leaves.
             */
            count: number;
            /** Fid */
            fid: number;
            /** Layer */
            layer: string;
            /**
             * Row
             * @description How many of them stand before it; null where the filter leaves it out.
             */
            row: number | null;
        };
        Scalar: ExactScalar;
        /**
         * Searched
         * @description What is called so, the best first; members are those that `parts` asks for.
         */
        Searched: {
            /**
             * At
             * @description Places that the text says as coordinates.
             */
            at?: components["schemas"]["FoundSpot"][];
            /**
             * Features
             * @description By searched fields and titles.
             */
            features?: components["schemas"]["FoundFeature"][];
            /**
             * Incomplete
             * @description Parts of which there may be more: they took too long. Ask again.
             */
            incomplete: string[];
            /**
             * Layers
             * @description By title, theme, keywords, names of fields, description.
             */
            layers?: components["schemas"]["FoundLayer"][];
            /**
             * Places
             * @description Places, streets and addresses of the basemap.
             */
            places?: components["schemas"]["Place"][];
            /**
             * Values
             * @description Of choice fields.
             */
            values?: components["schemas"]["FoundValue"][];
        };
        /**
         * Summary
         * @description What a filter leaves of a layer.
         */
        Summary: {
            /** Count */
            count: number;
            /** Facets */
            facets: {
                [key: string]: components["schemas"]["Count"][];
            };
            /** Histograms */
            histograms: {
                [key: string]: components["schemas"]["Histogram"];
            };
            /** Layer */
            layer: string;
            /** Total */
            total: number;
        };
        /**
         * Threshold
         * @description A value that those of a field are judged by, such as a legal limit.
         */
        Threshold: {
            /**
             * Language
             * @description Of the title, where it is not the field's.
             */
            language?: string;
            /** Title */
            title: string;
            /** Value */
            value: number;
        };
        /**
         * TileJson
         * @description TileJSON 3.0.0; `features_from` is the zoom from which on a tile holds every feature.
         */
        TileJson: {
            /** Attribution */
            attribution: string;
            bounds: components["schemas"]["Bounds"];
            /** Center */
            center: [
                number,
                number,
                number
            ];
            /** Features From */
            features_from: number;
            /** Maxzoom */
            maxzoom: number;
            /** Minzoom */
            minzoom: number;
            /** Name */
            name: string;
            /**
             * Tilejson
             * @constant
             */
            tilejson: "3.0.0";
            /** Tiles */
            tiles: string[];
            /** Vector Layers */
            vector_layers: components["schemas"]["VectorLayer"][];
        } & {
            [key: string]: unknown;
        };
        /**
         * TimeGroup
         * @description Buckets of time, in UTC, one after the other from the first to the last that has a row, those without rows too;
         *     or hours, days of the week (1 is Monday) or months of whatever time.
         */
        TimeGroup: {
            /**
             * Bucket
             * @description As it was asked for; with `auto` the one that was found.
             */
            bucket: string;
            /**
             * Ends
             * @description When each ends, and the next one begins.
             */
            ends?: string[];
            /** Field */
            field: string;
            /**
             * Incomplete
             * @description The first or the last of `values`, where the layer's rows begin or end within it, whatever the filter.
             */
            incomplete?: string[];
            /**
             * Kind
             * @constant
             */
            kind: "time";
            /** Title */
            title: string;
            /**
             * Values
             * @description The day or hour in which each bucket begins; or its number.
             */
            values: string[] | number[];
        };
        /** Trouble */
        Trouble: {
            /** Expected */
            expected: string;
            /** File */
            file: string;
            /** Key */
            key: string;
        };
        /**
         * VectorLayer
         * @description A layer inside the tiles; `bins_of` names the layer whose features it counts in bins.
         */
        VectorLayer: {
            /** Fields */
            fields: {
                [key: string]: string;
            };
            /** Id */
            id: string;
        } & {
            [key: string]: unknown;
        };
        /**
         * Versions
         * @description The state of the data of layers, as `/api/layers` tells it.
         */
        Versions: {
            /**
             * Versions
             * @description By layer; without those that are not there.
             */
            versions: {
                [key: string]: string;
            };
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
