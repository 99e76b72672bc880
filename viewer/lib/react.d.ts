import 'react'

declare module 'react' {
  // The parameter has to be there for the declarations to merge.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  interface InputHTMLAttributes<T> {
    /** Choose a folder rather than files; every browser has it, no standard does. */
    webkitdirectory?: string
  }
}
