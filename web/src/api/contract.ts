// What travels over the API, as the server itself declares it: schema.ts is made of `mamori openapi` when the pages are
// built. No shape of an answer is written by hand.
import type { components, paths } from "./schema";

export type Shapes = components["schemas"];

export type Words = Shapes["Words"];
export type FieldProblem = Shapes["Problem"]["errors"][number];
export type Verdict = Shapes["Verdict"];
export type Facility = Shapes["Facility"];
export type FieldInfo = Shapes["Field"];
export type RegisterInfo = Shapes["Register"];
export type RecordInfo = Shapes["Record"];
export type Value = RecordInfo["fields"][string];

type Method = "get" | "post" | "patch" | "delete";
// The addresses that have the method.
export type Path<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, object> ? P : never;
}[keyof paths];
type Operation<M extends Method, P extends Path<M>> = paths[P] extends Record<M, infer O> ? O : never;

type Part<O, W extends "path" | "query"> = O extends { parameters: infer A }
  ? W extends keyof A
    ? Exclude<A[W], undefined>
    : never
  : never;
export type Plain = string | number | boolean | undefined;
type Named<T> = [T] extends [never] ? unknown : { [K in keyof T]: string | number };
// Lists take further names: the fields of their register.
type Asking<T> = [T] extends [never]
  ? unknown
  : T extends { filter?: unknown }
    ? Record<string, Plain>
    : { [K in keyof T]?: Plain };
// What stands in the address: the names in braces, and the question behind it.
export type Asked<M extends Method, P extends Path<M>> = Named<Part<Operation<M, P>, "path">> &
  Asking<Part<Operation<M, P>, "query">>;

type Json<T> = T extends { content: { "application/json": infer J } } ? J : never;
type Given<R> = R extends Record<200, infer A> | Record<201, infer A> | Record<202, infer A> ? Json<A> : undefined;
export type Answer<M extends Method, P extends Path<M>> =
  Operation<M, P> extends { responses: infer R } ? Given<R> : never;

// A file goes as it is.
type Written<B> = B extends { content: infer C } ? (C extends { "application/json": infer J } ? J : Blob) : undefined;
export type Body<M extends Method, P extends Path<M>> =
  Operation<M, P> extends { requestBody?: infer B } ? Written<Exclude<B, undefined>> : undefined;
